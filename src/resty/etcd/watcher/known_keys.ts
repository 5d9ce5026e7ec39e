import type { RawEvent, RawKv } from "../protocol/message";
import type { Reason } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import table_new = require("table.new");

/** The keys that exist according to the events so far, to find the difference to a full state later. */
interface KnownKeys {
    /** `mod_revision` by key, as etcd stores it. */
    revisions: LuaMap<string, string>;
    /** Keys that were last changed before this revision are not in `revisions`; nil if all keys are. */
    unknown_before: number | undefined;
}

function create(start_revision: number | undefined): KnownKeys {
    return { revisions: new LuaMap(), unknown_before: start_revision };
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
    return before !== kv.mod_revision;
}

/** Returns the revisions of the keys of a full state. */
function revisions_of(full: readonly RawKv[]): LuaMap<string, string> {
    const revisions = table_new(0, full.length) as LuaMap<string, string>; // growing a large table takes long in one step
    const slice = time_slice.start();
    for (const kv of full) {
        revisions.set(kv.key, kv.mod_revision);
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
            known.revisions.set(event.kv.key, event.kv.mod_revision);
        } else {
            known.revisions.delete(event.kv.key);
        }
    }
}

export { apply, create as new, has_changed, revisions_of, type KnownKeys };
