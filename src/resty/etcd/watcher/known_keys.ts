import type { RawEvent, RawKv } from "../protocol/message";
import type { Reason } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import table_new = require("table.new");

const match = string.match;

/** The keys that exist according to the events so far, to find the difference to a full state later. */
interface KnownKeys {
    /** `mod_revision`, `create_revision` and `version` in one text, by key as etcd stores it. */
    revisions: LuaMap<string, string>;
    /** Keys that were last changed before this revision are not in `revisions`; nil if all keys are. */
    unknown_before: number | undefined;
}

function create(start_revision: number | undefined): KnownKeys {
    return { revisions: new LuaMap(), unknown_before: start_revision };
}

function revisions_of_key(kv: RawKv): string {
    return `${kv.mod_revision} ${kv.create_revision} ${kv.version}`;
}

/** Reports whether a key of a full state has changed since it was delivered. */
function has_changed(known: KnownKeys, kv: RawKv, reason: Reason): boolean {
    if (reason === "restored") {
        return true; // equal revisions can belong to different histories
    }
    const before = known.revisions.get(kv.key);
    if (before === undefined && known.unknown_before !== undefined) {
        return tonumber(kv.mod_revision)! >= known.unknown_before;
    }
    return before !== revisions_of_key(kv);
}

/** Reports whether a key of a full state cannot be so if all changes up to a revision were delivered. */
function is_contradiction(known: KnownKeys, kv: RawKv, until: number): boolean {
    const before = known.revisions.get(kv.key);
    const mod_revision = tonumber(kv.mod_revision)!;
    if (before === undefined) {
        return mod_revision <= until && (known.unknown_before === undefined || mod_revision >= known.unknown_before);
    }
    if (before === revisions_of_key(kv)) {
        return false;
    }
    const [, create_revision, version] = match(before, "^(%d+) (%d+) (%d+)$");
    if (kv.create_revision === create_revision) {
        return mod_revision <= until || tonumber(kv.version)! <= tonumber(version)!;
    }
    return tonumber(kv.create_revision)! <= until;
}

/**
 * Reports whether a full state is of another history than the known keys: etcd was restored from a backup, although cluster
 * ID, revision and raft term do not show it.
 * @param until all changes up to this revision were delivered
 */
function contradicts(known: KnownKeys, full: readonly RawKv[], until: number): boolean {
    const slice = time_slice.start();
    for (const kv of full) {
        if (is_contradiction(known, kv, until)) {
            return true;
        }
        time_slice.yield_if_due(slice);
    }
    return false;
}

/** Returns the revisions of the keys of a full state. */
function revisions_of(full: readonly RawKv[]): LuaMap<string, string> {
    const revisions = table_new(0, full.length) as LuaMap<string, string>; // growing a large table takes long in one step
    const slice = time_slice.start();
    for (const kv of full) {
        revisions.set(kv.key, revisions_of_key(kv));
        time_slice.yield_if_due(slice);
    }
    return revisions;
}

/** Applies events. */
function apply(known: KnownKeys, events: readonly RawEvent[]): void {
    const slice = time_slice.start();
    for (const event of events) {
        time_slice.yield_if_due(slice);
        if (event.type === "PUT") {
            known.revisions.set(event.kv.key, revisions_of_key(event.kv));
        } else {
            known.revisions.delete(event.kv.key);
        }
    }
}

export { apply, contradicts, create as new, has_changed, revisions_of, type KnownKeys };
