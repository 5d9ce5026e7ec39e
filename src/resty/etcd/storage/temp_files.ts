import * as file_status from "../base/file_status";
import * as open_files from "../base/open_file";
import type { OpenFile } from "../base/open_file";
import * as random from "../base/random";
import * as unique_id from "../base/unique_id";

const abs = math.abs;

/*
 * The file that is written before it replaces another one. It is created exclusively, so no link of another user is
 * followed. A worker that is killed while it writes leaves its file behind. So that such files stay few without a search
 * of the folder, the names are few: a random one of them is used, and a file that has it already is removed once it is
 * old, or if all names are taken. Where other users hold all of these names, as in /tmp, a longer random name is used.
 */

/** Number of names of a file that is being written: at most as many are left behind. */
const SLOTS = 16;
/** Seconds since the last write after which a file counts as left behind: a worker writes without pause. */
const LEFT_BEHIND_AFTER = 600;

type Created = LuaMultiReturn<[file: OpenFile | undefined, err?: string | undefined, exists?: boolean]>;

/** Returns the time of the last write to a file of this user; nil for anything else. */
function written_at(temp_path: string): number | undefined {
    const status = file_status.of_path(temp_path);
    const is_own = status !== undefined && file_status.is_regular(status) && file_status.is_owner_trusted(status);
    return is_own ? status.modified_at : undefined;
}

/** Creates the file. One that was left behind is removed. */
function create_in_slot(temp_path: string): Created {
    const [file, err, exists] = open_files.create(temp_path);
    if (exists !== true) {
        return $multi(file, err);
    }
    const time = written_at(temp_path);
    if (time === undefined || abs(ngx.time() - time) <= LEFT_BEHIND_AFTER) {
        return $multi(undefined, err, true);
    }
    os.remove(temp_path); // the clock can have been set back since it was written
    return open_files.create(temp_path);
}

function slot_path(path: string, slot: number): string {
    return string.format("%s.%x.tmp", path, slot % SLOTS);
}

/** Removes the oldest of the files that have the names, unless another user holds all of them. Returns its path. */
function remove_oldest(path: string): string | undefined {
    let oldest = math.huge;
    let oldest_path: string | undefined;
    for (const slot of $range(0, SLOTS - 1)) {
        const temp_path = slot_path(path, slot);
        const time = written_at(temp_path);
        if (time !== undefined && time < oldest) {
            oldest = time;
            oldest_path = temp_path;
        }
    }
    if (oldest_path !== undefined) {
        os.remove(oldest_path); // a worker that writes to it notices that, and tries again later
    }
    return oldest_path;
}

/**
 * Creates the file that will replace the one at `path`.
 * @returns the file and its path; or nil and an error text that begins with `path`
 */
function create(path: string): LuaMultiReturn<[file: OpenFile | undefined, temp_path_or_err: string]> {
    const first = random.below(SLOTS);
    for (const i of $range(0, SLOTS - 1)) {
        const temp_path = slot_path(path, first + i);
        const [file, err, exists] = create_in_slot(temp_path);
        if (file !== undefined) {
            return $multi(file, temp_path);
        }
        if (exists !== true) {
            return $multi(undefined, `${path}: ${err}`);
        }
    }
    const temp_path = remove_oldest(path) ?? `${path}.${unique_id.id()}.tmp`;
    const [file, err] = open_files.create(temp_path);
    if (file === undefined) {
        return $multi(undefined, `${path}: ${err}`);
    }
    return $multi(file, temp_path);
}

export { create };
