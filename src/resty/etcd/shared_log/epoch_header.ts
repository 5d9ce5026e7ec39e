import * as clock from "../base/clock";
import * as logs from "./log";
import type { Log } from "./log";

/** What an epoch begins with. */
interface Beginning {
    /** Everything up to it comes before; 0 if nothing is known yet. */
    revision: number;
    /** The epoch whose base it stands on: itself, or an earlier one. */
    root: number;
    /** Pieces of its base; 0 for none. */
    pieces: number;
    /** Bytes of the base that it stands on. */
    base_bytes: number;
    /** Bytes of the log between that base and this epoch. */
    log_bytes: number;
    /** The epoch with which etcd's history became another one, restored from a backup; 0 for none. */
    history: number;
    cluster_id: string | undefined;
}

interface Start extends Beginning {
    /** When it was made. */
    readonly made_at: number;
}

const format = string.format;
const match = string.match;
const now = clock.now;

const START = "^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d*)$";

/** What an epoch begins with; nil if that is gone. */
function read(log: Log, epoch: number): Start | undefined {
    const [value] = log.dict.get(logs.key_of(log, epoch, "s"));
    if (typeof value !== "string") {
        return undefined;
    }
    const [revision, root, pieces, base_bytes, log_bytes, history, made_at, cluster_id] = match(value, START);
    if (revision === undefined) {
        return undefined;
    }
    return {
        revision: tonumber(revision)!,
        root: tonumber(root)!,
        pieces: tonumber(pieces)!,
        base_bytes: tonumber(base_bytes)!,
        log_bytes: tonumber(log_bytes)!,
        history: tonumber(history)!,
        cluster_id: logs.not_empty(cluster_id),
        made_at: tonumber(made_at)! / 1000,
    };
}

/** Makes an epoch complete, but for its base and for the link that leads to it. */
function prepare(log: Log, epoch: number, start: Beginning): LuaMultiReturn<[ok: boolean, err?: string | undefined]> {
    const place = format("%d %d", start.revision, start.root);
    const sizes = format("%d %d %d", start.pieces, start.base_bytes, start.log_bytes);
    const times = format("%d %d", start.history, now() * 1000);
    const text = `${place} ${sizes} ${times} ${start.cluster_id ?? ""}`;
    const [ok, err] = log.dict.safe_set(logs.key_of(log, epoch, "s"), text);
    if (!ok) {
        return $multi(false, err);
    }
    for (const what of ["h", "c", "l"]) {
        const [stored, store_err] = log.dict.safe_set(logs.key_of(log, epoch, what), 0);
        if (!stored) {
            return $multi(false, store_err);
        }
    }
    return $multi(true);
}

export { prepare, read, type Beginning, type Start };
