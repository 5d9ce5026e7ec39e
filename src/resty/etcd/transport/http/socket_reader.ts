import * as clock from "../../base/clock";
import * as time_slice from "../../base/time_slice";

type Tcp = ngx.socket.Tcp;

const now = clock.now;
const sub = string.sub;
const find = string.find as StringFind;
const concat = table.concat;
const max = math.max;
const ceil = math.ceil;

/** A read takes what is there, up to this much. */
const READ_SIZE = 65536;
/** Timeouts are set anew once they are off by more than this, in seconds. */
const DRIFT = 0.005;
const MAX_LINE = 65536;
const MAX_TIMEOUT_MS = 2147483647;

/** The receiving side of a connection: what has arrived and is not consumed yet. */
interface SocketReader {
    readonly sock: Tcp;
    buffer: string;
    /** Index of the first byte not consumed. */
    at: number;
    deadline: number | undefined;
    /** When the socket's timeouts were set. */
    armed: number;
    /** Bytes have arrived on it. */
    touched: boolean;
}

/** Milliseconds for a socket, never 0, which would mean nginx's default. */
function to_ms(seconds: number): number {
    return max(1, math.min(ceil(seconds * 1000), MAX_TIMEOUT_MS));
}

/** Sets the socket's timeouts, in seconds from now. */
function set_timeouts(sock: Tcp, connect: number, rest: number): void {
    if (sock.settimeouts !== undefined) {
        const ms = to_ms(rest);
        sock.settimeouts(to_ms(connect), ms, ms);
    } else {
        // a stand-in for cosockets has one timeout, set anew once connected, and may know whole seconds only
        sock.settimeout(max(1, ceil(connect)) * 1000);
    }
}

function create(sock: Tcp, deadline: number | undefined, armed: number): SocketReader {
    return { sock, buffer: "", at: 1, deadline, armed, touched: false };
}

/** Gives the socket what is left until the deadline; returns "timeout" if that is nothing. */
function refresh_timeout(source: SocketReader): Problem {
    if (source.deadline === undefined) {
        return undefined;
    }
    const time = now();
    const left = source.deadline - time;
    if (left <= 0) {
        return "timeout";
    }
    if (time - source.armed > DRIFT) {
        set_timeouts(source.sock, left, left);
        source.armed = time;
    }
    return undefined;
}

/** How many bytes wait in the buffer. */
function available(source: SocketReader): number {
    return source.buffer.length - source.at + 1;
}

/** Takes all that waits in the buffer. */
function take_all(source: SocketReader): string {
    const bytes = source.at === 1 ? source.buffer : sub(source.buffer, source.at);
    source.buffer = "";
    source.at = 1;
    return bytes;
}

/** Takes `n` bytes that wait in the buffer. */
function take(source: SocketReader, n: number): string {
    const from = source.at;
    source.at = from + n;
    return sub(source.buffer, from, from + n - 1);
}

/** Waits for more bytes; returns an error text, nil when some came. */
function read_more(source: SocketReader): Problem {
    const late = refresh_timeout(source);
    if (late !== undefined) {
        return late;
    }
    const [data, err] = source.sock.receiveany!(READ_SIZE);
    if (data === undefined) {
        return err;
    }
    source.touched = true;
    source.buffer = available(source) === 0 ? data : take_all(source) + data;
    source.at = 1;
    return undefined;
}

/** A read for stand-ins that cannot say "what is there": by line or by length. */
function receive_plain(source: SocketReader, what: number | "*l"): Result<string> {
    const late = refresh_timeout(source);
    if (late !== undefined) {
        return $multi(undefined, late);
    }
    const [data, err] = source.sock.receive(what as "*l");
    if (data === undefined) {
        return $multi(undefined, err);
    }
    source.touched = true;
    return $multi(data);
}

/** Bytes up to the delimiter, which is consumed and left out. */
function read_until(source: SocketReader, delimiter: string): Result<string> {
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
            return $multi(undefined, "malformed reply: line too long");
        }
        const err = read_more(source);
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        from = max(1, seen - delimiter.length + 2);
    }
}

/** A line without its line end. */
function read_line(source: SocketReader): Result<string> {
    if (source.sock.receiveany === undefined) {
        return receive_plain(source, "*l");
    }
    return read_until(source, "\r\n");
}

/** Status line and header fields up to the empty line. */
function read_head(source: SocketReader): Result<string> {
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
            return $multi(undefined, "malformed reply: too many header fields");
        }
    }
}

/** Exactly `n` bytes. */
function read_exact(source: SocketReader, n: number): Result<string> {
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
        time_slice.yield_if_due(slice); // what is there already comes without waiting
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
