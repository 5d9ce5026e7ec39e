import * as ffi from "ffi";
import * as file_status from "./file_status";
import * as open_files from "./open_file";
import type { OpenFile } from "./open_file";

// a private name, so that declarations of the same function in other libraries do not conflict
ffi.cdef('int resty_etcd_access(const char *path, int mode) __asm__("access");');

const F_OK = 0;
const ENOENT = 2;

/** Largest file in bytes: a bundle of all public CAs has 250 KB. */
const MAX_SIZE = 4 * 1024 * 1024;

/** Reports whether an open file is a regular one. Without statx, a device with a size counts as one too. */
function is_regular(file: OpenFile): boolean {
    const status = file_status.of_file(file);
    return status !== undefined ? file_status.is_regular(status) : open_files.size_of(file) !== undefined;
}

/**
 * Opens a regular file for reading. Anything else at the path is an error, found without blocking: a folder, a FIFO, a
 * device.
 * @param follows_links whether the path can be a symbolic link
 * @returns the file; or nil and an error text without the path
 */
function open_regular(path: string, follows_links: boolean): Result<OpenFile> {
    const [file, err] = open_files.open(path, follows_links);
    if (file === undefined) {
        return $multi(undefined, err);
    }
    if (!is_regular(file)) {
        open_files.close(file);
        return $multi(undefined, "not a regular file");
    }
    return $multi(file);
}

/** Reads a file to its end. Returns nil and an error text without the path. */
function read_all(file: OpenFile): Result<string> {
    const parts: string[] = [];
    let size = 0;
    while (true) {
        const [part, err] = open_files.read(file, MAX_SIZE);
        if (part === undefined) {
            return $multi(undefined, err);
        }
        if (part === "") {
            break;
        }
        parts.push(part);
        size = size + part.length;
        if (size > MAX_SIZE) {
            return $multi(undefined, `longer than ${MAX_SIZE} bytes`);
        }
    }
    if (size === 0) {
        return $multi(undefined, "empty");
    }
    return $multi(parts.join(""));
}

/**
 * Reads a regular file, also through symbolic links.
 * @returns the content; or nil and an error text that begins with the path
 */
function read(path: string): Result<string> {
    const [file, open_err] = open_regular(path, true);
    if (file === undefined) {
        return $multi(undefined, `${path}: ${open_err}`);
    }
    const [text, err] = read_all(file);
    open_files.close(file);
    if (text === undefined) {
        return $multi(undefined, `${path}: ${err}`);
    }
    return $multi(text);
}

/** Reports whether something exists at a path, also if it cannot be opened. */
function exists(path: string): boolean {
    return ffi.C.resty_etcd_access(path, F_OK) === 0 || ffi.errno() !== ENOENT;
}

export { exists, open_regular, read };
