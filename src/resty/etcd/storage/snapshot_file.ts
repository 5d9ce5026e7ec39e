import type { RawKv } from "../protocol/message";
import * as files from "../base/files";
import * as file_access from "./file_access";
import * as kv_encoding from "./kv_encoding";
import * as time_slice from "../base/time_slice";

/** The full state that a snapshot file holds. */
interface Snapshot {
    /** Names the content: endpoints, user and keys. A file with another identity is rejected. */
    identity: string;
    revision: number;
    /** Time of the last response from etcd, in seconds since 1970. */
    last_received_at: number;
    /** In the order of their bytes. */
    kvs: RawKv[];
}

type Open = (
    path: string,
    mode: string,
) => LuaMultiReturn<[file: LuaFile, err?: undefined, code?: undefined] | [file: undefined, err: string, code: number]>;

/** `close` as LuaJIT has it. */
interface ClosableFile {
    close(): Result<true>;
}

const open = io.open as unknown as Open;
const crc32 = ngx.crc32_long;
const format = string.format;
const match = string.match;

/** First line of a file. A change of the format needs another number. */
const MAGIC = "resty.etcd snapshot 1\n";
/** Approximate number of bytes that are encoded, written and read between two yields. */
const CHUNK_SIZE = 64 * 1024;

const DAMAGED = "damaged or truncated";

/** Returns a line: the text and its checksum. */
function with_checksum(text: string): string {
    return `${text} ${format("%08x", crc32(text))}\n`;
}

/** Returns the text of a line, or nil if it does not match its checksum. */
function verify_line(line: string | undefined): string | undefined {
    if (line === undefined) {
        return undefined;
    }
    const [text, sum] = match(line, "^(.*) (%x%x%x%x%x%x%x%x)$");
    if (text === undefined || tonumber(sum, 16) !== crc32(text)) {
        return undefined;
    }
    return text;
}

/** Writes the keys in chunks. A line in front of each states its number, size and checksum. */
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
        if (size >= CHUNK_SIZE || i === n) {
            const bytes = parts.join("");
            chunks = chunks + 1;
            const [ok, err] = file.write(with_checksum(format("chunk %d %d %08x", chunks, size, crc32(bytes))), bytes);
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

/** Writes a snapshot to an open file. Returns an error, or nil. */
function write_to(file: LuaFile, snapshot: Snapshot): Problem {
    const kvs = snapshot.kvs;
    const header = format("%s %d %d", ngx.md5(snapshot.identity), snapshot.revision, snapshot.last_received_at);
    const [ok, err] = file.write(MAGIC, with_checksum(header));
    if (ok === undefined) {
        return err;
    }
    const [chunks, chunk_err] = write_kvs(file, kvs);
    if (chunks === undefined) {
        return chunk_err;
    }
    const [ended, end_err] = file.write(with_checksum(format("end %d %d", chunks, kvs.length)));
    if (ended === undefined) {
        return end_err;
    }
    return undefined;
}

/** Replaces the snapshot file atomically: a reader finds the old one or the new one. Yields. */
function write(path: string, snapshot: Snapshot): Result<true> {
    const temp_path = `${path}.${ngx.worker.pid()}.tmp`;
    const create_err = file_access.create_private(temp_path);
    if (create_err !== undefined) {
        return $multi(undefined, create_err);
    }
    const [file, open_err] = open(temp_path, "wb");
    if (file === undefined) {
        return $multi(undefined, open_err);
    }
    let err = write_to(file, snapshot);
    const [closed, close_err] = (file as unknown as ClosableFile).close();
    if (err === undefined && closed === undefined) {
        err = close_err;
    }
    if (err === undefined) {
        const [renamed, rename_err] = os.rename(temp_path, path);
        if (renamed === true) {
            return $multi(true);
        }
        err = rename_err;
    }
    os.remove(temp_path);
    return $multi(undefined, `${path}: ${err}`);
}

/** Reads chunks until the line that ends them. Nothing must follow it. */
function read_kvs(file: LuaFile): Result<RawKv[]> {
    const slice = time_slice.start();
    const kvs: RawKv[] = [];
    let chunks = 0;
    while (true) {
        const line = verify_line(file.read("*l"));
        if (line === undefined) {
            return $multi(undefined, DAMAGED);
        }
        const [number, size, sum] = match(line, "^chunk (%d+) (%d+) (%x+)$");
        if (number === undefined) {
            if (line !== format("end %d %d", chunks, kvs.length) || file.read(1) !== undefined) {
                return $multi(undefined, "damaged: chunks are missing, or data follows the end");
            }
            return $multi(kvs);
        }
        chunks = chunks + 1;
        const bytes = file.read(tonumber(size)!);
        const is_intact = bytes !== undefined && bytes.length === tonumber(size) && crc32(bytes) === tonumber(sum, 16);
        if (!is_intact || tonumber(number) !== chunks) {
            return $multi(undefined, DAMAGED);
        }
        if (!kv_encoding.decode_kvs(bytes, kvs, slice)) {
            return $multi(undefined, DAMAGED);
        }
    }
}

function read_from(file: LuaFile, identity: string): Result<Snapshot> {
    const magic = file.read(MAGIC.length);
    if (magic !== MAGIC) {
        return $multi(undefined, "not a snapshot file of this version");
    }
    const header = verify_line(file.read("*l"));
    const [identity_md5, revision, last_received_at] = match(header ?? "", "^(%x+) (%d+) (%d+)$");
    if (identity_md5 === undefined) {
        return $multi(undefined, DAMAGED);
    }
    if (identity_md5 !== ngx.md5(identity)) {
        return $multi(undefined, "snapshot of other keys, or of a client with other options");
    }
    const [kvs, err] = read_kvs(file);
    if (kvs === undefined) {
        return $multi(undefined, err);
    }
    return $multi({
        identity,
        revision: tonumber(revision)!,
        last_received_at: tonumber(last_received_at)!,
        kvs,
    });
}

/**
 * Reads a snapshot file, as a whole or not at all. Yields.
 * @returns the snapshot; or nil, why it cannot be used, and whether the file exists
 */
function read(
    path: string,
    identity: string,
): LuaMultiReturn<[snapshot: Snapshot | undefined, err: string | undefined, exists: boolean]> {
    if (!files.exists(path)) {
        return $multi(undefined, `${path}: No such file or directory`, false);
    }
    const special = files.check_readable(path);
    if (special !== undefined) {
        return $multi(undefined, `${path}: ${special}`, true);
    }
    const [file, open_err] = open(path, "rb");
    if (file === undefined) {
        return $multi(undefined, open_err, true);
    }
    const problem = file_access.check_trusted(path, file);
    if (problem !== undefined) {
        file.close();
        return $multi(undefined, `${path}: ${problem}`, true);
    }
    const [snapshot, err] = read_from(file, identity);
    file.close();
    if (snapshot === undefined) {
        return $multi(undefined, `${path}: ${err}`, true);
    }
    return $multi(snapshot, undefined, true);
}

export { read, write, type Snapshot };
