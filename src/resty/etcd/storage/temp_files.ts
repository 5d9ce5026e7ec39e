import * as ffi from "ffi";

// under names with our prefix, so that declarations of other libraries cannot clash with them
ffi.cdef('int resty_etcd_glob(const char *pattern, int flags, void *onerror, void *matches) __asm__("glob");');
ffi.cdef('void resty_etcd_globfree(void *matches) __asm__("globfree");');
ffi.cdef('int resty_etcd_kill(int pid, int signal) __asm__("kill");');
ffi.cdef("struct resty_etcd_glob { size_t count; char **paths; char rest[240]; };");

const C = ffi.C;
/** ESRCH: the process does not exist. */
const ESRCH = 3;

function is_running(pid: number): boolean {
    return C.resty_etcd_kill(pid, 0) === 0 || ffi.errno() !== ESRCH;
}

/** Returns the files `<path>.<pid>.tmp` and their process IDs. */
function find(path: string): LuaMap<string, number> {
    const files = new LuaMap<string, number>();
    const [pattern] = string.gsub(path, "[%*%?%[%]\\]", "\\%0");
    const matches = ffi.new("struct resty_etcd_glob");
    if (C.resty_etcd_glob(`${pattern}.*.tmp`, 0, undefined, matches) === 0) {
        for (const i of $range(0, tonumber(matches.count)! - 1)) {
            const file = ffi.string(matches.paths[i]);
            const [pid] = string.match(string.sub(file, path.length + 1), "^%.(%d+)%.tmp$");
            if (pid !== undefined) {
                files.set(file, tonumber(pid)!);
            }
        }
        C.resty_etcd_globfree(matches);
    }
    return files;
}

/** Removes the files that workers left behind which were killed while they wrote `path`. */
function remove(path: string): void {
    if (ffi.os !== "Linux") {
        return; // glob_t is laid out differently there
    }
    for (const [file, pid] of find(path)) {
        if (!is_running(pid)) {
            os.remove(file);
        }
    }
}

export { remove };
