import type { HistoryPoint } from "./types";
import type { CallOptions } from "../call/call";
import type { Core } from "../call/client_state";
import * as cluster from "../call/cluster";
import type { Mutable } from "../base/mutable";
import * as completeness from "../protocol/completeness";
import { Code } from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { KeyRange } from "../protocol/key_range";
import * as key_range from "../protocol/key_range";
import type { Message, RawEvent, RawKv } from "../protocol/message";
import type { Batch } from "./feed";
import * as rpcs from "../protocol/rpc";
import * as time_slice from "../base/time_slice";

const max = math.max;

type History = Mutable<HistoryPoint>;

/** Forgets the last event: revisions after it are lost. */
function forget_event(history: History): void {
    history.last_event = undefined;
    history.known_until = 0;
}

/** Returns a copy of what is known of etcd's history, for another owner to write to. */
function copy(known: HistoryPoint): HistoryPoint {
    const { cluster_id, raft_term, revision, last_event, known_until } = known;
    return { cluster_id, raft_term, revision, last_event, known_until: known_until ?? 0 };
}

/** Returns what a watch of a range knows at its start. The last event counts only if its key is in the range. */
function of_range(range: KeyRange, known: HistoryPoint | undefined): HistoryPoint {
    const history: History = copy(known ?? { cluster_id: undefined, raft_term: 0, revision: 0 });
    if (history.last_event !== undefined && !key_range.has(range, history.last_event.kv.key)) {
        forget_event(history);
    }
    return history;
}

/** Notes that etcd has reached a revision. */
function note_revision(history: History, revision: number): void {
    history.revision = max(history.revision, revision);
}

/** Notes the events of a revision. A put is preferred to a deletion, because it can be compared field by field. */
function note_events(history: History, batch: Batch): void {
    const events = batch.events;
    if (batch.revision <= (history.known_until ?? 0)) {
        return;
    }
    let last = events[events.length - 1];
    for (const i of $range(events.length, 1, -1)) {
        if (events[i - 1]!.type === "PUT") {
            last = events[i - 1];
            break;
        }
    }
    history.last_event = last;
    history.known_until = batch.revision;
}

/** Notes that no other event came up to a revision. */
function note_progress(history: History, revision: number): void {
    history.known_until = max(history.known_until ?? 0, revision);
}

/** Returns the key of a full state that was written last; nil if there is none. Yields while it handles many keys. */
function latest_of(kvs: readonly RawKv[]): RawKv | undefined {
    let latest: RawKv | undefined;
    let latest_revision = 0;
    const slice = time_slice.start();
    for (const kv of kvs) {
        const mod_revision = tonumber(kv.mod_revision) ?? 0;
        if (mod_revision > latest_revision) {
            latest = kv;
            latest_revision = mod_revision;
        }
        time_slice.yield_if_due(slice);
    }
    return latest;
}

/** Notes the key of a full state that was written last: it is like a put. */
function note_latest(history: History, latest: RawKv | undefined, revision: number): void {
    if (latest !== undefined && revision > (history.known_until ?? 0)) {
        history.last_event = { type: "PUT", kv: latest };
        history.known_until = revision;
    }
}

/** Replaces what is known by what etcd has said; the last event remains known. */
function locate(history: HistoryPoint, current: HistoryPoint): HistoryPoint {
    const located: History = copy(current);
    located.last_event = history.last_event;
    located.known_until = history.known_until;
    return located;
}

/** Reports whether etcd was restored from a backup: its cluster ID is another one, or its revision or raft term is lower. */
function has_diverged(before: HistoryPoint, after: HistoryPoint): boolean {
    return (
        (before.cluster_id !== undefined && after.cluster_id !== before.cluster_id) ||
        after.revision < max(before.revision, before.known_until ?? 0) ||
        after.raft_term < before.raft_term
    );
}

function is_same(a: RawKv, b: RawKv): boolean {
    return (
        a.mod_revision === b.mod_revision &&
        a.create_revision === b.create_revision &&
        a.version === b.version &&
        a.lease === b.lease &&
        (a.value ?? "") === (b.value ?? "")
    );
}

/** Reports whether a key cannot be in a state at the revision up to which events are known. */
function contradicts_then(event: RawEvent, kv: RawKv | undefined): boolean {
    if (event.type === "DELETE") {
        return kv !== undefined;
    }
    return kv === undefined || !is_same(event.kv, kv);
}

/** Reports whether a key cannot be in a state now. Only changes after the revision `until` are unknown. */
function contradicts_now(event: RawEvent, until: number, kv: RawKv | undefined): boolean {
    if (kv === undefined) {
        return false; // it can have been deleted since
    }
    const is_put = event.type === "PUT";
    if (is_put && kv.mod_revision === event.kv.mod_revision) {
        return !is_same(event.kv, kv);
    }
    if (is_put && kv.create_revision === event.kv.create_revision) {
        return tonumber(kv.mod_revision)! <= until || tonumber(kv.version)! <= tonumber(event.kv.version)!;
    }
    return tonumber(kv.create_revision)! <= until;
}

/**
 * Reports whether etcd's history is another one than that of the last known event: etcd was restored from a backup, although
 * cluster ID, revision and raft term do not show it. The key of that event is read at the revision up to which events
 * are known; if that is compacted, at the current one, which shows less.
 * @param prefer host of the endpoint to ask
 */
function is_event_lost(core: Core, history: HistoryPoint, prefer: string | undefined): Result<boolean, EtcdError> {
    const event = history.last_event;
    if (event === undefined) {
        return $multi(false);
    }
    const request: Message = new LuaMap();
    const options: CallOptions = { quiet: true, prefer };
    request.set("key", event.kv.key);
    request.set("revision", history.known_until);
    let [reply, err] = cluster.read(core, rpcs.range, request, options);
    const is_then = reply !== undefined;
    if (reply === undefined && err!.code === Code.OUT_OF_RANGE) {
        request.delete("revision");
        [reply, err] = cluster.read(core, rpcs.range, request, options);
    }
    if (reply === undefined) {
        return $multi(undefined, err!);
    }
    const kv = (reply.body.get("kvs") as RawKv[] | undefined)?.[0];
    const kv_err = completeness.check_read(kv, event.kv.key, options.answered_by);
    if (kv_err !== undefined) {
        return $multi(undefined, kv_err);
    }
    return $multi(is_then ? contradicts_then(event, kv) : contradicts_now(event, history.known_until!, kv));
}

export {
    copy,
    forget_event,
    has_diverged,
    is_event_lost,
    locate,
    latest_of,
    note_events,
    note_latest,
    note_progress,
    note_revision,
    of_range,
};
