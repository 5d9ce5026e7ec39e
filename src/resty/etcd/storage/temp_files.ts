import * as ffi from "ffi";

// Names of our own, so that another library's declarations cannot clash with them.
ffi.cdef('int resty_etcd_glob(const char *pattern, int flags, void *onerror, void *found) __asm__("glob");');
ffi.cdef('void resty_etcd_globfree(void *found) __asm__("globfree");');
ffi.cdef('int resty_etcd_kill(int pid, int signal) __asm__("kill");');
ffi.cdef("struct resty_etcd_found { size_t count; char **paths; char others[240]; };");

const C = ffi.C;
/** Error number of the system for a process that does not exist. */
const NO_PROCESS = 3;

function is_running(pid: number): boolean {
    return C.resty_etcd_kill(pid, 0) === 0 || ffi.errno() !== NO_PROCESS;
}

/** Files `<path>.<pid>.tmp`, by pid. */
function find(path: string): LuaMap<string, number> {
    const files = new LuaMap<string, number>();
    const [pattern] = string.gsub(path, "[%*%?%[%]\\]", "\\%0");
    const found = ffi.new("struct resty_etcd_found");
    if (C.resty_etcd_glob(`${pattern}.*.tmp`, 0, undefined, found) === 0) {
        for (const i of $range(0, tonumber(found.count)! - 1)) {
            const file = ffi.string(found.paths[i]);
            const [pid] = string.match(string.sub(file, path.length + 1), "^%.(%d+)%.tmp$");
            if (pid !== undefined) {
                files.set(file, tonumber(pid)!);
            }
        }
        C.resty_etcd_globfree(found);
    }
    return files;
}

/** Removes what processes have left that were killed while they wrote a file. Other systems lay out `glob_t` otherwise. */
function remove(path: string): void {
    if (ffi.os !== "Linux") {
        return;
    }
    for (const [file, pid] of find(path)) {
        if (!is_running(pid)) {
            os.remove(file);
        }
    }
}

export { remove };
