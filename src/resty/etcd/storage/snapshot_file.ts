import type { RawKv } from "../protocol/message";
import * as decimal from "../base/decimal";
import * as error_text from "../base/error_text";
import * as file_status from "../base/file_status";
import * as files from "../base/files";
import * as open_files from "../base/open_file";
import type { OpenFile } from "../base/open_file";
import * as file_access from "./file_access";
import * as file_readers from "./file_reader";
import type { FileReader } from "./file_reader";
import * as kv_encoding from "./kv_encoding";
import * as temp_files from "./temp_files";
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

const crc32 = ngx.crc32_long;
const format = string.format;
const match = string.match;

/** First line of a file. A change of the format needs another number. */
const MAGIC = "resty.etcd snapshot 1\n";
/** Approximate number of bytes that are encoded, written and read between two yields. */
const CHUNK_SIZE = 64 * 1024;
/** Longest line in bytes, which are shorter than that. */
const MAX_LINE_LENGTH = 200;

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
function write_kvs(file: OpenFile, kvs: RawKv[]): LuaMultiReturn<[chunks: number | undefined, err?: string]> {
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
            const line = with_checksum(format("chunk %d %d %08x", chunks, size, crc32(bytes)));
            const err = open_files.write(file, line + bytes);
            if (err !== undefined) {
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
function write_to(this: void, file: OpenFile, snapshot: Snapshot): Problem {
    const kvs = snapshot.kvs;
    const header = format("%s %d %d", ngx.md5(snapshot.identity), snapshot.revision, snapshot.last_received_at);
    const err = open_files.write(file, MAGIC + with_checksum(header));
    if (err !== undefined) {
        return err;
    }
    const [chunks, chunk_err] = write_kvs(file, kvs);
    if (chunks === undefined) {
        return chunk_err;
    }
    return open_files.write(file, with_checksum(format("end %d %d", chunks, kvs.length)));
}

/** Moves a complete file to its path. Returns an error, or nil. */
function replace(file: OpenFile, temp_path: string, path: string): Problem {
    if (!file_status.is_at_path(file, temp_path)) {
        return "the temporary file was removed meanwhile"; // this worker was stopped for very long, or a program has done it
    }
    const [renamed, err] = os.rename(temp_path, path);
    return renamed === true ? undefined : err;
}

/** Replaces the snapshot file atomically: a reader finds the old one or the new one. Yields. */
function write(path: string, snapshot: Snapshot): Result<true> {
    const [file, temp_path_or_err] = temp_files.create(path);
    if (file === undefined) {
        return $multi(undefined, temp_path_or_err);
    }
    const [ok, result] = protected_call(write_to, file, snapshot);
    let err = ok ? (result as Problem) : error_text.of(result, "no reason");
    err ??= replace(file, temp_path_or_err, path);
    open_files.close(file);
    if (err === undefined) {
        return $multi(true);
    }
    os.remove(temp_path_or_err);
    return $multi(undefined, `${path}: ${err}`);
}

/** Returns the next line, without its checksum; nil if it is damaged. */
function read_line(reader: FileReader): string | undefined {
    return verify_line(file_readers.read_line(reader, MAX_LINE_LENGTH));
}

/** Reads chunks until the line that ends them. Nothing must follow it. */
function read_kvs(reader: FileReader): Result<RawKv[]> {
    const slice = time_slice.start();
    const kvs: RawKv[] = [];
    let chunks = 0;
    while (true) {
        const line = read_line(reader);
        if (line === undefined) {
            return $multi(undefined, DAMAGED);
        }
        const [number, size, sum] = match(line, "^chunk (%d+) (%d+) (%x+)$");
        if (number === undefined) {
            if (line !== format("end %d %d", chunks, kvs.length) || !file_readers.is_at_end(reader)) {
                return $multi(undefined, "damaged: chunks are missing, or data follows the end");
            }
            return $multi(kvs);
        }
        chunks = chunks + 1;
        const bytes = file_readers.read_bytes(reader, decimal.parse(size) ?? math.huge);
        const is_intact = bytes !== undefined && crc32(bytes) === tonumber(sum, 16);
        if (!is_intact || decimal.parse(number) !== chunks || !kv_encoding.decode_kvs(bytes, kvs, slice)) {
            return $multi(undefined, DAMAGED);
        }
    }
}

function read_from(this: void, file: OpenFile, identity: string): Result<Snapshot> {
    const reader = file_readers.new(file);
    const magic = file_readers.read_bytes(reader, MAGIC.length);
    if (magic !== MAGIC) {
        return $multi(undefined, "not a snapshot file of this version");
    }
    const [identity_md5, revision_text, time_text] = match(read_line(reader) ?? "", "^(%x+) (%d+) (%d+)$");
    const revision = decimal.parse(revision_text);
    const last_received_at = decimal.parse(time_text);
    if (revision === undefined || last_received_at === undefined) {
        return $multi(undefined, DAMAGED);
    }
    if (identity_md5 !== ngx.md5(identity)) {
        return $multi(undefined, "snapshot of other keys, or of a client with other options");
    }
    const [kvs, err] = read_kvs(reader);
    if (kvs === undefined) {
        return $multi(undefined, err);
    }
    return $multi({ identity, revision, last_received_at, kvs });
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
    const [file, open_err] = files.open_regular(path, false);
    if (file === undefined) {
        return $multi(undefined, `${path}: ${open_err}`, true);
    }
    const problem = file_access.check_trusted(path, file);
    if (problem !== undefined) {
        open_files.close(file);
        return $multi(undefined, `${path}: ${problem}`, true);
    }
    const [snapshot, err] = read_from(file, identity);
    open_files.close(file);
    if (snapshot === undefined) {
        return $multi(undefined, `${path}: ${err}`, true);
    }
    return $multi(snapshot, undefined, true);
}

export { read, write, type Snapshot };
