import * as clock from "../../base/clock";
import type { Fault } from "../fault";
import * as faults from "../fault";
import * as time_slice from "../../base/time_slice";

type Tcp = ngx.socket.Tcp;

const now = clock.now;
const sub = string.sub;
const find = string.find as StringFind;
const concat = table.concat;
const max = math.max;
const ceil = math.ceil;

/** Largest number of bytes that one read takes. */
const READ_SIZE = 65536;
/** Seconds by which socket timeouts can be wrong before they are set again. */
const DRIFT = 0.005;
/** Longest line, and longest head of a response, in bytes. */
const MAX_LINE = 65536;
/** Bytes of which nginx's buffers are multiples. */
const BUFFER_UNIT = 1024;
/** Longest timeout that nginx accepts. */
const MAX_TIMEOUT_MS = 2147483647;

/** The receiving side of a connection, with the bytes that are not consumed yet. */
interface SocketReader {
    readonly sock: Tcp;
    buffer: string;
    /** Index of the first byte not consumed. */
    at: number;
    deadline: number | undefined;
    /** Time at which the socket timeouts were set. */
    timeouts_set_at: number;
    /** Bytes that have arrived. */
    received: number;
}

/** Returns milliseconds for a socket, never 0, which means nginx's default. */
function to_ms(seconds: number): number {
    return max(1, math.min(ceil(seconds * 1000), MAX_TIMEOUT_MS));
}

/** Sets the timeouts of a socket, in seconds from now. */
function set_timeouts(sock: Tcp, connect: number, rest: number): void {
    if (sock.settimeouts !== undefined) {
        const ms = to_ms(rest);
        sock.settimeouts(to_ms(connect), ms, ms);
    } else {
        // blocking socket replacements have one timeout, which is set again after connecting, and some know whole seconds only
        sock.settimeout(max(1, ceil(connect)) * 1000);
    }
}

function create(sock: Tcp, deadline: number | undefined, timeouts_set_at: number): SocketReader {
    return { sock, buffer: "", at: 1, deadline, timeouts_set_at, received: 0 };
}

/** Sets the socket timeouts to the time until the deadline. Returns a fault if the deadline has passed. */
function refresh_timeout(source: SocketReader): Fault | undefined {
    if (source.deadline === undefined) {
        return undefined;
    }
    const time = now();
    const left = source.deadline - time;
    if (left <= 0) {
        return faults.TIMEOUT;
    }
    if (time - source.timeouts_set_at > DRIFT) {
        set_timeouts(source.sock, left, left);
        source.timeouts_set_at = time;
    }
    return undefined;
}

/** Returns the number of buffered bytes. */
function available(source: SocketReader): number {
    return source.buffer.length - source.at + 1;
}

/**
 * Reports whether OpenSSL can have decrypted bytes that were not read. nginx passes on as many as its buffer takes
 * (`lua_socket_buffer_size`, usually a multiple of 1 KiB), and notices only those on an idle connection that are not decrypted
 * yet. If the buffer is not full, there are none.
 */
function can_have_hidden_bytes(source: SocketReader): boolean {
    return source.received % BUFFER_UNIT === 0;
}

/** Consumes all buffered bytes. */
function take_all(source: SocketReader): string {
    const bytes = source.at === 1 ? source.buffer : sub(source.buffer, source.at);
    source.buffer = "";
    source.at = 1;
    return bytes;
}

/** Consumes `n` buffered bytes. */
function take(source: SocketReader, n: number): string {
    const from = source.at;
    source.at = from + n;
    return sub(source.buffer, from, from + n - 1);
}

/** Waits for more bytes. Returns a fault, or nil when some have arrived. */
function read_more(source: SocketReader): Fault | undefined {
    const late = refresh_timeout(source);
    if (late !== undefined) {
        return late;
    }
    const [data, err] = source.sock.receiveany!(READ_SIZE);
    if (data === undefined) {
        return faults.of_socket(err);
    }
    source.received = source.received + data.length;
    source.buffer = available(source) === 0 ? data : take_all(source) + data;
    source.at = 1;
    return undefined;
}

/** Reads a line or a number of bytes from a blocking socket replacement, which has no `receiveany`. */
function receive_plain(source: SocketReader, what: number | "*l"): Result<string, Fault> {
    const late = refresh_timeout(source);
    if (late !== undefined) {
        return $multi(undefined, late);
    }
    const [data, err] = source.sock.receive(what as "*l");
    if (data === undefined) {
        return $multi(undefined, faults.of_socket(err));
    }
    source.received = source.received + data.length + 1; // a line can be empty
    return $multi(data);
}

/** Returns the bytes before a delimiter, and consumes both. */
function read_until(source: SocketReader, delimiter: string): Result<string, Fault> {
    let from = source.at;
    while (true) {
        const [start, stop] = find(source.buffer, delimiter, from, true);
        if (start !== undefined) {
            const text = sub(source.buffer, source.at, start - 1);
            source.at = stop + 1;
            return $multi(text);
        }
        const seen = available(source);
        if (seen > MAX_LINE) {
            return $multi(undefined, faults.make_fault("malformed", "malformed reply: line too long"));
        }
        const err = read_more(source);
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        from = max(1, seen - delimiter.length + 2);
    }
}

/** Returns a line without its line break. */
function read_line(source: SocketReader): Result<string, Fault> {
    if (source.sock.receiveany === undefined) {
        return receive_plain(source, "*l");
    }
    return read_until(source, "\r\n");
}

/** Returns the status line and the header fields, up to the empty line. */
function read_head(source: SocketReader): Result<string, Fault> {
    if (source.sock.receiveany !== undefined) {
        return read_until(source, "\r\n\r\n");
    }
    const lines: string[] = [];
    while (true) {
        const [line, err] = receive_plain(source, "*l");
        if (line === undefined) {
            return $multi(undefined, err);
        }
        if (line === "") {
            return $multi(concat(lines, "\r\n"));
        }
        lines.push(line);
        if (lines.length > 1000) {
            return $multi(undefined, faults.make_fault("malformed", "malformed reply: too many header fields"));
        }
    }
}

/** Returns exactly `n` bytes. */
function read_exact(source: SocketReader, n: number): Result<string, Fault> {
    if (n === 0) {
        return $multi("");
    }
    if (source.sock.receiveany === undefined) {
        return receive_plain(source, n);
    }
    let got = available(source);
    if (got >= n) {
        return $multi(take(source, n));
    }
    const parts: string[] = [take_all(source)];
    const slice = time_slice.start();
    while (true) {
        const err = read_more(source);
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        time_slice.yield_if_due(slice); // bytes that have arrived already are read without waiting
        const more = available(source);
        if (got + more >= n) {
            parts.push(take(source, n - got));
            return $multi(concat(parts));
        }
        got = got + more;
        parts.push(take_all(source));
    }
}

export {
    available,
    can_have_hidden_bytes,
    create as new,
    read_more,
    read_exact,
    read_head,
    read_line,
    refresh_timeout,
    set_timeouts,
    take,
    take_all,
    type SocketReader,
};
