import type { RawEvent, RawKv } from "../protocol/message";
import type { Reason } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import table_new = require("table.new");

/** The keys that a watcher knows to exist, to find out later what it has missed. */
interface KnownKeys {
    /** `mod_revision` by key, as etcd stores it. */
    revisions: LuaMap<string, string>;
    /** Nothing is known of what was before this revision; nil if all is. */
    unknown_before: number | undefined;
}

function create(start_revision: number | undefined): KnownKeys {
    return { revisions: new LuaMap(), unknown_before: start_revision };
}

/** A key of a full state has changed since it was told of. */
function has_changed(known: KnownKeys, kv: RawKv, reason: Reason): boolean {
    if (reason === "restored") {
        return true; // the same revision may be another one now
    }
    const before = known.revisions.get(kv.key);
    if (before === undefined && known.unknown_before !== undefined) {
        return tonumber(kv.mod_revision)! >= known.unknown_before;
    }
    return before !== kv.mod_revision;
}

/** The keys of a full state. */
function revisions_of(full: readonly RawKv[]): LuaMap<string, string> {
    const revisions = table_new(0, full.length) as LuaMap<string, string>; // growing would take long at a time
    const slice = time_slice.start();
    for (const kv of full) {
        revisions.set(kv.key, kv.mod_revision);
        time_slice.yield_if_due(slice);
    }
    return revisions;
}

/** Takes note of events. */
function note(known: KnownKeys, events: readonly RawEvent[]): void {
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

export { create as new, has_changed, note, revisions_of, type KnownKeys };
