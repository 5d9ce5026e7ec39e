import * as ffi from "ffi";
import type { OpenFile } from "./open_file";

// statx has the same structure on all platforms, unlike fstat. It has no name, because a second definition of a name is an
// error, and a program can load this module twice. Private names of functions: see open_file.
const new_statx = ffi.typeof(`struct {
    uint32_t mask, block_size; uint64_t attributes; uint32_t links, uid, gid; uint16_t mode, spare;
    uint64_t inode, size, blocks, attributes_mask; uint64_t other_times[6]; int64_t modified_at; uint8_t rest[136];
}`);
ffi.cdef(
    'int resty_etcd_statx(int dir, const char *path, int flags, unsigned int mask, void *out) __asm__("statx");' +
        'unsigned int resty_etcd_geteuid(void) __asm__("geteuid");',
);

/** Kind, owner and permissions of a file or folder. */
interface FileStatus {
    readonly uid: number;
    /** Type and permissions, as of `stat`. */
    readonly mode: number;
    /** Number of the file in its file system. */
    readonly inode: number;
    /** Time of the last change in seconds since 1970. */
    readonly modified_at: number;
}

const C = ffi.C;
const floor = math.floor;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_SYMLINK_NOFOLLOW = 0x100;
/** Type, mode, owner, time of the last change, and inode. */
const STATX_MASK = 0x14b;
/** Divides a mode into the type and the permissions. */
const TYPE_FACTOR = 0x1000;
/** S_IFREG. */
const REGULAR_FILE = 0x8;

function call_statx(this: void, dir: number, path: string, flags: number): FileStatus | undefined {
    const out = new_statx();
    if (C.resty_etcd_statx(dir, path, flags, STATX_MASK, out) !== 0) {
        return undefined;
    }
    return { uid: out.uid, mode: out.mode, inode: tonumber(out.inode)!, modified_at: tonumber(out.modified_at)! };
}

/** Calls statx, which glibc before 2.28 lacks, Linux before 4.11 and some sandboxes reject, and other systems do not have. */
function status_of(dir: number, path: string, flags: number): FileStatus | undefined {
    if (ffi.os !== "Linux") {
        return undefined;
    }
    const [ok, status] = protected_call(call_statx, dir, path, flags);
    return ok ? (status as FileStatus | undefined) : undefined;
}

/** Returns the status of an open file; nil if the system cannot tell. */
function of_file(file: OpenFile): FileStatus | undefined {
    return status_of(file.descriptor[0]!, "", AT_EMPTY_PATH);
}

/** Returns the status of what is at a path, also if it is a link; nil if nothing is there, or if the system cannot tell. */
function of_path(path: string): FileStatus | undefined {
    return status_of(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
}

/** Returns the status of a folder, or of the one that a link leads to; nil as `of_path`. */
function of_folder(path: string): FileStatus | undefined {
    return status_of(AT_FDCWD, path, 0);
}

function is_regular(status: FileStatus): boolean {
    return floor(status.mode / TYPE_FACTOR) === REGULAR_FILE;
}

/** @param permission a bit of the mode */
function has_permission(status: FileStatus, permission: number): boolean {
    return floor(status.mode / permission) % 2 === 1;
}

/** Returns the permissions in the form of chmod, for texts. */
function permissions_of(status: FileStatus): string {
    return string.format("%04o", status.mode % TYPE_FACTOR);
}

/** Reports whether a file belongs to root or to the user of this process. */
function is_owner_trusted(status: FileStatus): boolean {
    return status.uid === 0 || status.uid === C.resty_etcd_geteuid();
}

/** Reports whether a path leads to an open file, or if the system cannot tell. */
function is_at_path(file: OpenFile, path: string): boolean {
    return of_file(file)?.inode === of_path(path)?.inode;
}

export {
    has_permission,
    is_at_path,
    is_owner_trusted,
    is_regular,
    of_file,
    of_folder,
    of_path,
    permissions_of,
    type FileStatus,
};
