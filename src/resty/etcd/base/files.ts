import * as ffi from "ffi";

// private names, so that declarations of the same functions in other libraries do not conflict
ffi.cdef('int resty_etcd_open(const char *path, int flags, ...) __asm__("open");');
ffi.cdef('int resty_etcd_close(int fd) __asm__("close");');
ffi.cdef('int resty_etcd_access(const char *path, int mode) __asm__("access");');
ffi.cdef('long resty_etcd_lseek(int fd, long offset, int origin) __asm__("lseek");');
ffi.cdef('char *resty_etcd_strerror(int number) __asm__("strerror");');

const C = ffi.C;
const [is_mips] = string.match(ffi.arch, "^mips");
/** Opening a FIFO without a writer returns immediately, instead of blocking the worker. */
const O_NONBLOCK = ffi.os !== "Linux" ? 0x4 : is_mips !== undefined ? 0x80 : 0x800;
const SEEK_END = 2;
const F_OK = 0;
const ENOENT = 2;

/** Largest file in bytes: a bundle of all public CAs has 250 KB. */
const MAX_SIZE = 4 * 1024 * 1024;

/** Returns the text of the last error of a C function. */
function last_error(): string {
    return ffi.string(C.resty_etcd_strerror(ffi.errno()));
}

/**
 * Checks without blocking that a path can be opened, and that it is not a FIFO, a socket or a terminal: to open or to read
 * one of these can block the worker for ever.
 * @returns an error text without the path, or nil
 */
function check_readable(path: string): Problem {
    const fd = C.resty_etcd_open(path, O_NONBLOCK);
    if (fd < 0) {
        return last_error();
    }
    // the position of pipes and terminals cannot be set
    const size = tonumber(C.resty_etcd_lseek(fd, 0, SEEK_END)) ?? -1;
    C.resty_etcd_close(fd);
    return size < 0 ? "not a regular file" : undefined;
}

/**
 * Reads a regular file. Anything else at the path is an error: a folder, a FIFO, a device.
 * @returns the content; or nil and an error text that begins with the path
 */
function read(path: string): Result<string> {
    const problem = check_readable(path);
    if (problem !== undefined) {
        return $multi(undefined, `${path}: ${problem}`);
    }
    const [file, err] = io.open(path, "rb");
    if (file === undefined) {
        return $multi(undefined, err);
    }
    const text: string | undefined = file.read(MAX_SIZE + 1);
    file.close();
    if (text === undefined) {
        return $multi(undefined, `${path}: cannot be read`); // a folder, or an empty file
    }
    if (text.length > MAX_SIZE) {
        return $multi(undefined, `${path}: longer than ${MAX_SIZE} bytes`); // a device such as /dev/zero
    }
    return $multi(text);
}

/** Reports whether something exists at a path, also if it cannot be opened. */
function exists(path: string): boolean {
    return C.resty_etcd_access(path, F_OK) === 0 || ffi.errno() !== ENOENT;
}

export { check_readable, last_error, exists, read };
