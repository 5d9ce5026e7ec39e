-- Generated from src/resty/etcd/watch/types.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What a subscriber wants to receive.
---@class resty.etcd.watch.types.SubscriberOptions
---@field range resty.etcd.protocol.key_range.KeyRange
---@field shared_range resty.etcd.protocol.key_range.KeyRange? A wider range that its watch can cover, to be shared with others; nil for none.
---@field relist boolean Lost revisions are made up for by a full state, at any time.
---@field progress boolean Batches without events report etcd's current revision.
---@field prev_kv boolean
---@field filters string Sorted, in one string; "" for none.
---@field idle_timeout number Seconds without any byte after which the stream is checked.
---@field max_events number
---@field max_bytes number

--- What is known of the etcd behind a stream: a point in its history.
---@class resty.etcd.watch.types.HistoryPoint
---@field cluster_id string?
---@field raft_term number
---@field revision number A revision that etcd has reached.

--- Identifies the history in which something was learned. Shared by all who learned in the same one.
---@class resty.etcd.watch.types.HistoryToken
---@field lost boolean etcd was restored from a backup since: its history is another one now.

--- A light thread that reads the full state for one subscriber.
---@class resty.etcd.watch.types.ListThread
---@field thread table?
---@field is_over boolean

--- One reader of a shared watch: its position, its queue, and the full state that it waits for. Written by subscriber.ts.
---@class resty.etcd.watch.types.Subscriber
---@field options resty.etcd.watch.types.SubscriberOptions
---@field queue resty.etcd.watch.batch_queue.BatchQueue
---@field ready table Wakes the light thread that waits for batches.
---@field is_waiting boolean A light thread waits for batches.
---@field shared_watch resty.etcd.watch.types.SharedWatch? The watch that serves it; nil while its queue is too full for one, and at its end.
---@field history resty.etcd.watch.types.HistoryPoint? What it knows of etcd when it joins a watch; nil for nothing.
---@field history_token resty.etcd.watch.types.HistoryToken? The history of the watch that it left; nil if it has left none.
---@field next_revision number First revision that is not in its queue yet.
---@field unknown_before number? The start revision that the user chose: what is before it was never seen. Nil if all of that was seen.
---@field pending_state ("compacted"|"restored"|"list"|"snapshot")? Why it waits for a full state; nil if it does not.
---@field list_revision number? Revision of the full state that it waits for; nil for the current one.
---@field epoch number Counts how often its revisions were lost: a state read before that is discarded.
---@field is_listing boolean A light thread reads the full state.
---@field delivered_revision number Everything up to this revision has been taken out of the queue.
---@field err resty.etcd.protocol.errors.EtcdError? Why no more batches come when the queue is empty; nil while they do.
---@field is_closed boolean
---@field last_received_at number Time of the last response to the subscriber's own reads.
---@field batches number Batches taken out of the queue.
---@field lists number Full states received.
---@field overflows number How often it was too slow for a watch that it shared.
---@field last_overflow_at number
---@field isolated_until number Until then it does not share a watch: it was too slow twice within a short time.

--- One watch of a client's at etcd, which is reopened after errors, and its subscribers. Written by shared_watch.ts.
---@class resty.etcd.watch.types.SharedWatch
---@field core resty.etcd.call.client_state.Core
---@field range resty.etcd.protocol.key_range.KeyRange
---@field prev_kv boolean
---@field filters string
---@field idle_timeout number
---@field run fun(shared_watch: resty.etcd.watch.types.SharedWatch): number? Makes one turn of its loop: opens a stream and stays with it. Returns the delay before the next turn; nil ends it.
---@field loop resty.etcd.base.timer_types.TimerLoop?
---@field signal table Wakes the turn.
---@field is_woken boolean
---@field list_threads table The light threads that read full states. Written by list.ts.
---@field subscribers resty.etcd.watch.types.Subscriber[]
---@field next_revision number? First revision that was not delivered to all subscribers; nil until etcd's current revision is known.
---@field unknown_before number? See `Subscriber`.
---@field key_count number? Number of keys in the range before `next_revision`; nil if unknown.
---@field counted_at number Revision at which they were counted: events up to it do not change the number.
---@field history resty.etcd.watch.types.HistoryPoint
---@field history_token resty.etcd.watch.types.HistoryToken
---@field located_at string? Endpoint that stated `history`: the steps that follow prefer it, so that they are of one member.
---@field is_catching_up boolean It started behind another watch that can serve its subscribers, and ends when it has caught up with that.
---@field is_streaming boolean A stream is being opened or read. Opening it starts with a read of etcd's current revision.
---@field stream resty.etcd.transport.transport.Stream? Nil while none is open.
---@field is_connected boolean etcd has confirmed the watch on this stream.
---@field last_received_at number Time of the last response that did not come through the open stream.
---@field is_paused boolean The queue of its only subscriber is full: the stream is not read until there is room.
---@field resume_signal table Ends a pause.
---@field open_count number Streams on which etcd has confirmed the watch.
---@field close_reasons table How streams ended: counts by the name of the error.
---@field events number Events received.
---@field dropped number Events discarded, because they had been delivered already or were out of order.
---@field last_error resty.etcd.protocol.errors.EtcdError?
---@field reopen_policy resty.etcd.watch.reopen_policy.ReopenPolicy

return _M
