import * as clock from "../base/clock";
import * as decimal from "../base/decimal";
import * as dict_values from "../base/dict_values";
import * as logs from "./log";
import type { Log } from "./log";
import * as records from "./records";

/** The state that an epoch starts from. */
interface EpochHeader {
    /** The last revision before the epoch's first record; 0 if none is known. */
    revision: number;
    /** The epoch whose base this one builds on: itself or an earlier one; 0 if there is none. */
    root: number;
    /** Number of chunks of the epoch's own base; 0 if it has none. */
    chunks: number;
    /** Bytes of the base that the epoch builds on. */
    base_bytes: number;
    /** Bytes of the log between that base and this epoch. */
    log_bytes: number;
    /** The last epoch that began because etcd's history diverged (restore from backup); 0 if none did. */
    history: number;
    cluster_id: string | undefined;
}

interface StoredHeader extends EpochHeader {
    readonly created_at: number;
}

const format = string.format;
const match = string.match;
const now = clock.now;

/** In the order in which `create_epoch` writes the fields. */
const FIELDS = "^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d*)$";

/** Maximum bytes of a header: eight numbers. */
const MAX_SIZE = 256;

/** Returns an epoch's header, or nil if it is missing or damaged. */
function read(log: Log, epoch: number): StoredHeader | undefined {
    const value = dict_values.get_text(log.dict, logs.key_of(log, epoch, "s"), MAX_SIZE);
    const [a, b, c, d, e, f, g, cluster_id] = match(value ?? "", FIELDS);
    const revision = decimal.parse(a);
    const root = decimal.parse(b);
    const chunks = decimal.parse(c);
    const base_bytes = decimal.parse(d);
    const log_bytes = decimal.parse(e);
    const history = decimal.parse(f);
    const created_at = decimal.parse(g);
    if (revision === undefined || root === undefined || chunks === undefined || base_bytes === undefined) {
        return undefined;
    }
    if (log_bytes === undefined || history === undefined || created_at === undefined || root > epoch) {
        return undefined;
    }
    return {
        revision,
        root,
        chunks,
        base_bytes,
        log_bytes,
        history,
        cluster_id: logs.nil_if_empty(cluster_id),
        created_at: created_at / 1000,
    };
}

/** Returns the header of a successor that continues an epoch after its chunk `at`; nil if keys are missing. */
function of_successor(log: Log, epoch: number, at: number): EpochHeader | undefined {
    let header: EpochHeader | undefined = read(log, epoch);
    if (header === undefined) {
        if (epoch !== 0) {
            return undefined;
        }
        // the first epoch of a log is empty and has no header
        header = { revision: 0, root: 0, chunks: 0, base_bytes: 0, log_bytes: 0, history: 0, cluster_id: undefined };
    }
    header.chunks = 0;
    if (at > 0) {
        // a record's last chunk can be read alone: each chunk carries the record's revision and total
        const record = records.read(log.dict, logs.key_of(log, epoch, "r"), at);
        if (record === undefined) {
            return undefined;
        }
        header.revision = record.revision;
        header.log_bytes = record.total;
    }
    return header;
}

/** Makes an epoch complete, except for its base and for the link that leads to it. */
function create_epoch(
    log: Log,
    epoch: number,
    header: EpochHeader,
): LuaMultiReturn<[ok: boolean, err?: string | undefined]> {
    const place = format("%d %d", header.revision, header.root);
    const sizes = format("%d %d %d", header.chunks, header.base_bytes, header.log_bytes);
    const times = format("%d %d", header.history, now() * 1000);
    const text = `${place} ${sizes} ${times} ${header.cluster_id ?? ""}`;
    const [ok, err] = log.dict.safe_set(logs.key_of(log, epoch, "s"), text);
    if (!ok) {
        return $multi(false, err);
    }
    for (const part of ["h", "c", "l"]) {
        const [stored, store_err] = log.dict.safe_set(logs.key_of(log, epoch, part), 0);
        if (!stored) {
            return $multi(false, store_err);
        }
    }
    return $multi(true);
}

export { create_epoch, of_successor, read, type EpochHeader };
