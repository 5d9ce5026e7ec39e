import * as ffi from "ffi";

/*
 * Files by file descriptor. Lua's own functions cannot open without blocking at a FIFO, without following a link, or only
 * if the file does not exist.
 */

// private names, so that declarations of the same functions in other libraries do not conflict
ffi.cdef(
    'int resty_etcd_open(const char *path, int flags, ...) __asm__("open");' +
        'int resty_etcd_close(int fd) __asm__("close");' +
        'long resty_etcd_read(int fd, char *out, size_t size) __asm__("read");' +
        'long resty_etcd_write(int fd, const char *bytes, size_t size) __asm__("write");' +
        'long resty_etcd_lseek(int fd, long offset, int origin) __asm__("lseek");' +
        'int resty_etcd_fchmod(int fd, unsigned int mode) __asm__("fchmod");' +
        'char *resty_etcd_strerror(int number) __asm__("strerror");',
);

/** An open file. It is closed when it is garbage-collected: a light thread can be killed while it has one. */
interface OpenFile {
    /** Holds the descriptor; -1 after `close`. */
    readonly descriptor: ffi.CInt;
}

const C = ffi.C;
const min = math.min;

const IS_LINUX = ffi.os === "Linux";
const [is_mips] = string.match(ffi.arch, "^mips");
const [is_arm_or_ppc] = string.match(ffi.arch, "^[ap][rp][mc]");
const IS_MIPS = IS_LINUX && is_mips !== undefined;

// flags of `open`: Linux has the same values on all platforms except MIPS, and O_NOFOLLOW has another one on ARM and PowerPC
const O_WRONLY = 0x1;
const O_CREAT = !IS_LINUX ? 0x200 : IS_MIPS ? 0x100 : 0x40;
const O_EXCL = !IS_LINUX ? 0x800 : IS_MIPS ? 0x400 : 0x80;
/** Opening a FIFO without a writer returns immediately, instead of blocking the worker. */
const O_NONBLOCK = !IS_LINUX ? 0x4 : IS_MIPS ? 0x80 : 0x800;
const O_NOFOLLOW = !IS_LINUX ? 0x100 : is_arm_or_ppc !== undefined ? 0x8000 : 0x20000;
const O_CLOEXEC = IS_LINUX ? 0x80000 : ffi.os === "OSX" ? 0x1000000 : ffi.os === "BSD" ? 0x100000 : 0;
const O_NOCTTY = !IS_LINUX ? 0 : IS_MIPS ? 0x800 : 0x100;

/** Error numbers. */
const EINTR = 4;
const EEXIST = 17;
const ELOOP = IS_MIPS ? 90 : IS_LINUX ? 40 : 62;

const SEEK_SET = 0;
const SEEK_END = 2;
/** 0600: the content can be secret. */
const PRIVATE_MODE = 0x180;
/** Bytes of one call of `read`. */
const BUFFER_SIZE = 64 * 1024;

let buffer: ffi.CBuffer | undefined;

/** Returns the text of the last error of a C function. */
function last_error(): string {
    return ffi.string(C.resty_etcd_strerror(ffi.errno()));
}

function close_descriptor(this: void, descriptor: ffi.CInt): void {
    const fd = descriptor[0]!;
    if (fd >= 0) {
        descriptor[0] = -1;
        C.resty_etcd_close(fd);
    }
}

function of_descriptor(fd: number): OpenFile {
    const descriptor = ffi.new("int[1]", fd);
    ffi.gc(descriptor, close_descriptor);
    return { descriptor };
}

function close(file: OpenFile): void {
    close_descriptor(file.descriptor);
}

/**
 * Opens a file for reading, without blocking. It can be of any kind: a FIFO, a folder, a device.
 * @param follows_links whether the path can be a symbolic link
 */
function open(path: string, follows_links: boolean): Result<OpenFile> {
    const flags = O_NONBLOCK + O_CLOEXEC + O_NOCTTY + (follows_links ? 0 : O_NOFOLLOW);
    const fd = C.resty_etcd_open(path, flags);
    if (fd < 0) {
        return $multi(undefined, ffi.errno() === ELOOP && !follows_links ? "a symbolic link" : last_error());
    }
    return $multi(of_descriptor(fd));
}

/**
 * Creates a file for writing that only its owner can read and write, whatever the umask.
 * @returns the file; nil, an error text, and whether something exists at the path, as a link does that leads nowhere
 */
function create(path: string): LuaMultiReturn<[file: OpenFile | undefined, err?: string, exists?: boolean]> {
    const flags = O_WRONLY + O_CREAT + O_EXCL + O_NOFOLLOW + O_CLOEXEC;
    const fd = C.resty_etcd_open(path, flags, ffi.new("int", PRIVATE_MODE));
    if (fd < 0) {
        const exists = ffi.errno() === EEXIST;
        return $multi(undefined, last_error(), exists);
    }
    C.resty_etcd_fchmod(fd, PRIVATE_MODE); // a umask can also take the owner's permissions away
    return $multi(of_descriptor(fd));
}

/** Returns the size in bytes, and continues at the beginning; nil for what has no size: a FIFO, a socket, a terminal. */
function size_of(file: OpenFile): number | undefined {
    const fd = file.descriptor[0]!;
    const size = tonumber(C.resty_etcd_lseek(fd, 0, SEEK_END)) ?? -1;
    return size >= 0 && tonumber(C.resty_etcd_lseek(fd, 0, SEEK_SET)) === 0 ? size : undefined;
}

/** Reads up to 64 KiB. Returns less only if the file is a device or ends; an empty string at its end. */
function read(file: OpenFile, size: number): Result<string> {
    buffer ??= ffi.new("char[65536]");
    while (true) {
        const count = tonumber(C.resty_etcd_read(file.descriptor[0]!, buffer, min(size, BUFFER_SIZE)))!;
        if (count >= 0) {
            return $multi(ffi.string(buffer, count));
        }
        if (ffi.errno() !== EINTR) {
            return $multi(undefined, last_error());
        }
    }
}

/** Writes all bytes. Returns an error text, or nil. */
function write(file: OpenFile, bytes: string): Problem {
    let rest = bytes;
    while (rest.length > 0) {
        const count = tonumber(C.resty_etcd_write(file.descriptor[0]!, rest, rest.length))!;
        if (count >= 0) {
            rest = string.sub(rest, count + 1); // less than all when the disk is nearly full
        } else if (ffi.errno() !== EINTR) {
            return last_error();
        }
    }
    return undefined;
}

export { close, create, last_error, open, read, size_of, write, type OpenFile };
