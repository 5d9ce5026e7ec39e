import * as ffi from "ffi";
import * as files from "../base/files";

// under names with our prefix, so that declarations of other libraries cannot clash with them
ffi.cdef(`struct resty_etcd_statx {
    uint32_t mask, block_size; uint64_t attributes; uint32_t links, uid, gid; uint16_t permissions, spare;
    uint8_t rest[224];
};`);
ffi.cdef(
    'int resty_etcd_statx(int dir, const char *path, int flags, unsigned int mask, void *out) __asm__("statx");' +
        'int resty_etcd_fchmod(int fd, unsigned int mode) __asm__("fchmod");' +
        'int resty_etcd_fileno(void *file) __asm__("fileno");' +
        'unsigned int resty_etcd_geteuid(void) __asm__("geteuid");',
);

/** Owner, type and permissions of a file or folder. */
interface FileStatus {
    readonly uid: number;
    readonly permissions: number;
}

const C = ffi.C;
const format = string.format;
const match = string.match;

const IS_LINUX = ffi.os === "Linux";
/** Flags of `open`: write-only, create, fail if the file exists, close on exec. */
const CREATE_FLAGS = IS_LINUX ? 0x1 + 0x40 + 0x80 + 0x80000 : 0x1 + 0x200 + 0x800;
/** 0600: the values can be secrets. */
const PRIVATE_MODE = 0x180;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
/** Type, mode and owner. */
const STATX_MASK = 0xb;
const TYPE_FACTOR = 0x1000;
const GROUP_WRITE = 0x10;
const OTHERS_WRITE = 0x2;
const STICKY = 0x200;

function call_statx(this: void, dir: number, path: string, flags: number): FileStatus | undefined {
    const out = ffi.new("struct resty_etcd_statx");
    return C.resty_etcd_statx(dir, path, flags, STATX_MASK, out) === 0 ? out : undefined;
}

/** Returns the status of a file; nil if it does not exist, or if the system has no statx: the checks are left out then. */
function status_of(dir: number, path: string, flags: number): FileStatus | undefined {
    if (!IS_LINUX) {
        return undefined; // the structure is Linux's
    }
    const [ok, status] = protected_call(call_statx, dir, path, flags);
    return ok ? (status as FileStatus | undefined) : undefined;
}

function has_permission(status: FileStatus, permission: number): boolean {
    return math.floor(status.permissions / permission) % 2 === 1;
}

/** Returns the mode in the form of chmod, for error texts. */
function mode_of(status: FileStatus): string {
    return format("%04o", status.permissions % TYPE_FACTOR);
}

/** Returns the folder of a file. */
function folder_of(path: string): string {
    const [folder] = match(path, "^(.*)/[^/]*$");
    if (folder === undefined) {
        return ".";
    }
    return folder === "" ? "/" : folder;
}

/**
 * Checks that only root, the user of this process and the owner of the folder can have written an open file.
 * @returns an error text, or nil
 */
function check_trusted(path: string, file: LuaFile): Problem {
    const folder = status_of(AT_FDCWD, folder_of(path), 0);
    if (folder !== undefined && has_permission(folder, OTHERS_WRITE) && !has_permission(folder, STICKY)) {
        return `others can replace the file: its folder has mode ${mode_of(folder)}`;
    }
    const status = status_of(C.resty_etcd_fileno(file), "", AT_EMPTY_PATH);
    if (status === undefined) {
        return undefined;
    }
    if (has_permission(status, GROUP_WRITE) || has_permission(status, OTHERS_WRITE)) {
        return `others can write the file: it has mode ${mode_of(status)}`;
    }
    const uid = status.uid;
    if (uid !== 0 && uid !== C.resty_etcd_geteuid() && uid !== folder?.uid) {
        return `the file belongs to another user: uid ${format("%d", uid)}`;
    }
    return undefined;
}

/**
 * Creates a file that only its owner can read and write, whatever the umask. An existing file is replaced, so that a link
 * that another user has put there is not followed.
 * @returns an error text that begins with the path, or nil
 */
function create_private(path: string): Problem {
    os.remove(path);
    const fd = C.resty_etcd_open(path, CREATE_FLAGS, ffi.new("int", PRIVATE_MODE));
    if (fd < 0) {
        return `${path}: ${files.last_error()}`;
    }
    C.resty_etcd_fchmod(fd, PRIVATE_MODE); // a umask can also take the owner's permissions away
    C.resty_etcd_close(fd);
    return undefined;
}

export { check_trusted, create_private };
