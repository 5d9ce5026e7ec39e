import type { RawKv } from "../protocol/message";
import * as kv_encoding from "./kv_encoding";
import * as time_slice from "../base/time_slice";

/** A state in a file. */
interface Snapshot {
    /** What it is a state of: nobody else may read it. */
    identity: string;
    revision: number;
    /** Seconds since 1970 at which etcd was last heard of. */
    last_received_at: number;
    /** In the order of their bytes. */
    kvs: RawKv[];
}

type Open = (
    path: string,
    mode: string,
) => LuaMultiReturn<[file: LuaFile, err?: undefined, code?: undefined] | [file: undefined, err: string, code: number]>;

interface Closing {
    close(): Result<true>;
}

const open = io.open as unknown as Open;
const crc32 = ngx.crc32_long;
const format = string.format;
const match = string.match;

/** In front of everything; another layout has another number. */
const MAGIC = "resty.etcd snapshot 1\n";
/** About as many bytes are encoded, written and read at a time. */
const CHUNK = 64 * 1024;
/** Error number of the system for a file that does not exist. */
const MISSING = 2;

/** Lines end with a checksum of what is before it. */
function sealed(text: string): string {
    return `${text} ${format("%08x", crc32(text))}\n`;
}

function unsealed(line: string | undefined): string | undefined {
    if (line === undefined) {
        return undefined;
    }
    const [text, sum] = match(line, "^(.*) (%x%x%x%x%x%x%x%x)$");
    if (text === undefined || tonumber(sum, 16) !== crc32(text)) {
        return undefined;
    }
    return text;
}

/** Writes the keys in chunks, each with a line in front of it that says what is in it. */
function write_kvs(file: LuaFile, kvs: RawKv[]): LuaMultiReturn<[chunks: number | undefined, err?: string]> {
    const slice = time_slice.start();
    const n = kvs.length;
    let parts: string[] = [];
    let size = 0;
    let chunks = 0;
    for (const i of $range(1, n)) {
        const part = kv_encoding.encode(kvs[i - 1]!, false);
        parts.push(part);
        size = size + part.length;
        if (size >= CHUNK || i === n) {
            const bytes = parts.join("");
            chunks = chunks + 1;
            const [ok, err] = file.write(sealed(format("chunk %d %d %08x", chunks, size, crc32(bytes))), bytes);
            if (ok === undefined) {
                return $multi(undefined, err);
            }
            parts = [];
            size = 0;
        }
        time_slice.yield_if_due(slice);
    }
    return $multi(chunks);
}

/** Writes all of it; nil, or why it could not. */
function write_to(file: LuaFile, snapshot: Snapshot): Problem {
    const kvs = snapshot.kvs;
    const head = format("%s %d %d", ngx.md5(snapshot.identity), snapshot.revision, snapshot.last_received_at);
    const [ok, err] = file.write(MAGIC, sealed(head));
    if (ok === undefined) {
        return err;
    }
    const [chunks, chunk_err] = write_kvs(file, kvs);
    if (chunks === undefined) {
        return chunk_err;
    }
    const [ended, end_err] = file.write(sealed(format("end %d %d", chunks, kvs.length)));
    if (ended === undefined) {
        return end_err;
    }
    return undefined;
}

/**
 * Writes a snapshot in the place of the one that is there, in one step: a reader finds the old one or the new one.
 * Others run meanwhile.
 */
function write(path: string, snapshot: Snapshot): Result<true> {
    const aside = `${path}.${ngx.worker.pid()}.tmp`;
    const [file, open_err] = open(aside, "wb");
    if (file === undefined) {
        return $multi(undefined, open_err);
    }
    let err = write_to(file, snapshot);
    const [closed, close_err] = (file as unknown as Closing).close();
    if (err === undefined && closed === undefined) {
        err = close_err;
    }
    if (err === undefined) {
        const [renamed, rename_err] = os.rename(aside, path);
        if (renamed === true) {
            return $multi(true);
        }
        err = rename_err;
    }
    os.remove(aside);
    return $multi(undefined, `${path}: ${err}`);
}

/** Reads chunks until the line that ends them. */
function read_kvs(file: LuaFile): Result<RawKv[]> {
    const slice = time_slice.start();
    const kvs: RawKv[] = [];
    let chunks = 0;
    while (true) {
        const line = unsealed(file.read("*l"));
        if (line === undefined) {
            return $multi(undefined, "damaged, or cut off");
        }
        const [number, size, sum] = match(line, "^chunk (%d+) (%d+) (%x+)$");
        if (number === undefined) {
            if (line !== format("end %d %d", chunks, kvs.length) || file.read(1) !== undefined) {
                return $multi(undefined, "damaged: not all of it is there, or more");
            }
            return $multi(kvs);
        }
        chunks = chunks + 1;
        const bytes = file.read(tonumber(size)!);
        const is_whole = bytes !== undefined && bytes.length === tonumber(size) && crc32(bytes) === tonumber(sum, 16);
        if (!is_whole || tonumber(number) !== chunks) {
            return $multi(undefined, "damaged, or cut off");
        }
        kv_encoding.decode_kvs(bytes, kvs, slice);
    }
}

function read_from(file: LuaFile, identity: string): Result<Snapshot> {
    const magic = file.read(MAGIC.length);
    if (magic !== MAGIC) {
        return $multi(undefined, "not a snapshot, or one of another version");
    }
    const head = unsealed(file.read("*l"));
    const [whose, revision, heard_at] = match(head ?? "", "^(%x+) (%d+) (%d+)$");
    if (whose === undefined) {
        return $multi(undefined, "damaged, or cut off");
    }
    if (whose !== ngx.md5(identity)) {
        return $multi(undefined, "a snapshot of other endpoints or keys");
    }
    const [kvs, err] = read_kvs(file);
    if (kvs === undefined) {
        return $multi(undefined, err);
    }
    return $multi({
        identity,
        revision: tonumber(revision)!,
        last_received_at: tonumber(heard_at)!,
        kvs,
    });
}

/**
 * Reads a snapshot. Others run meanwhile.
 * @returns nil, why it is not used (all of it is, or nothing), and whether there is a file at all
 */
function read(
    path: string,
    identity: string,
): LuaMultiReturn<[snapshot: Snapshot | undefined, err: string | undefined, is_there: boolean]> {
    const [file, open_err, code] = open(path, "rb");
    if (file === undefined) {
        return $multi(undefined, open_err, code !== MISSING);
    }
    const [snapshot, err] = read_from(file, identity);
    file.close();
    if (snapshot === undefined) {
        return $multi(undefined, `${path}: ${err}`, true);
    }
    return $multi(snapshot, undefined, true);
}

export { read, write, type Snapshot };
