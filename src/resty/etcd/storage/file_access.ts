import * as file_status from "../base/file_status";
import type { OpenFile } from "../base/open_file";
import * as warn_once from "../base/warn_once";

/** Bits of a mode. */
const GROUP_WRITE = 0x10;
const OTHERS_WRITE = 0x2;
const STICKY = 0x200;

/** Returns the folder of a file. */
function folder_of(path: string): string {
    const [folder] = string.match(path, "^(.*)/");
    if (folder === undefined) {
        return ".";
    }
    return folder === "" ? "/" : folder;
}

/** Warns once if the group of the folder of a file, or everyone, can replace the file. */
function warn_if_folder_is_shared(path: string): void {
    const folder = file_status.of_folder(folder_of(path));
    if (folder === undefined || file_status.has_permission(folder, STICKY)) {
        return;
    }
    if (file_status.has_permission(folder, GROUP_WRITE) || file_status.has_permission(folder, OTHERS_WRITE)) {
        const mode = file_status.permissions_of(folder);
        warn_once.warn("snapshot", `other users can remove or replace the file: its folder has mode ${mode}: ${path}`);
    }
}

/**
 * Checks that only root and the user of this process can have written an open file, or a group that one of them has
 * permitted to write it. Who can write its folder does not matter: a file that another user puts there belongs to that
 * user. An `emptyDir` of Kubernetes has mode 0777. Without statx, no owner is known, and the file is used.
 * @returns an error text, or nil
 */
function check_trusted(path: string, file: OpenFile): Problem {
    const status = file_status.of_file(file);
    if (status === undefined) {
        warn_once.warn("snapshot", "owner and mode of files are not checked: this system has no statx");
        return undefined;
    }
    if (!file_status.is_owner_trusted(status)) {
        return `the file belongs to another user: uid ${string.format("%d", status.uid)}`;
    }
    if (file_status.has_permission(status, OTHERS_WRITE)) {
        return `others can write the file: it has mode ${file_status.permissions_of(status)}`;
    }
    if (file_status.has_permission(status, GROUP_WRITE)) {
        // Kubernetes with `fsGroup` adds this permission to all files of a volume when it is mounted
        const mode = file_status.permissions_of(status);
        warn_once.warn("snapshot", `its group can write the file, which is used: it has mode ${mode}: ${path}`);
    }
    return undefined;
}

export { check_trusted, warn_if_folder_is_shared };
