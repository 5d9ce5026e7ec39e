import * as open_files from "../base/open_file";
import type { OpenFile } from "../base/open_file";

const find = string.find as StringFind;
const min = math.min;
const sub = string.sub;

/** Bytes that are read in one call. */
const READ_SIZE = 64 * 1024;

/** Reads lines and bytes of a file, whose content can be anything. */
interface FileReader {
    readonly file: OpenFile;
    /** Bytes of the file that were not read yet. */
    unread: number;
    /** Bytes that were read from the file. */
    buffer: string;
    /** Position in `buffer` of the next byte. */
    at: number;
}

function create(file: OpenFile): FileReader {
    return { file, unread: open_files.size_of(file) ?? 0, buffer: "", at: 1 };
}

/** Returns up to `size` bytes of the file; an empty string at its end, and if it cannot be read. */
function read_file(reader: FileReader, size: number): string {
    const [bytes] = open_files.read(reader.file, min(size, reader.unread));
    if (bytes === undefined || bytes === "") {
        reader.unread = 0; // it has become shorter
        return "";
    }
    reader.unread = reader.unread - bytes.length;
    return bytes;
}

/** Returns the next line without its line break; nil if the file ends before, or if the line is longer than `max_length`. */
function read_line(reader: FileReader, max_length: number): string | undefined {
    let [line_end] = find(reader.buffer, "\n", reader.at, true);
    while (line_end === undefined && reader.buffer.length - reader.at < max_length && reader.unread > 0) {
        reader.buffer = sub(reader.buffer, reader.at) + read_file(reader, READ_SIZE);
        reader.at = 1;
        [line_end] = find(reader.buffer, "\n", 1, true);
    }
    if (line_end === undefined || line_end - reader.at > max_length) {
        return undefined;
    }
    const line = sub(reader.buffer, reader.at, line_end - 1);
    reader.at = line_end + 1;
    return line;
}

/** Returns `size` bytes; nil if the file has fewer: nothing is read or allocated for them. */
function read_bytes(reader: FileReader, size: number): string | undefined {
    const { buffer, at } = reader;
    const buffered = buffer.length - at + 1;
    if (size > buffered + reader.unread) {
        return undefined;
    }
    const parts = [sub(buffer, at, at + size - 1)];
    let missing = size - parts[0]!.length;
    reader.at = at + parts[0]!.length;
    while (missing > 0) {
        const part = read_file(reader, missing);
        if (part === "") {
            return undefined;
        }
        parts.push(part);
        missing = missing - part.length;
    }
    return parts.join("");
}

/** Reports whether everything was read. */
function is_at_end(reader: FileReader): boolean {
    return reader.unread === 0 && reader.at > reader.buffer.length;
}

export { is_at_end, create as new, read_bytes, read_line, type FileReader };
