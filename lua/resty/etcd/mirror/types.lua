-- Generated from src/resty/etcd/mirror/types.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A key in a mirror; int64 values are decimal strings.
---@class resty.etcd.mirror.types.Kv
---@field key string Without the client's `key_prefix`.
---@field value any Decoded and transformed.
---@field create_revision string
---@field mod_revision string
---@field version string
---@field lease string?

--- An item that `decode`, `validate` or `transform` rejected.
---@class resty.etcd.mirror.types.Invalid
---@field err string
---@field create_revision string
---@field mod_revision string

--- What one revision changed in one key.
---@class resty.etcd.mirror.types.Change
---@field type "PUT"|"DELETE"
---@field key string
---@field kv? resty.etcd.mirror.types.Kv nil for a deletion.
---@field old? resty.etcd.mirror.types.Kv The kv before the change; nil if the key was absent.

--- Changes that become visible together.
---@class resty.etcd.mirror.types.Changes
---@field revision number
---@field changes resty.etcd.mirror.types.Change[]
---@field initial? true The changes are the whole content, as `on_change` was asked for.

---@class resty.etcd.mirror.types.OnChangeOptions
---@field initial? boolean Call the function with the whole content first.

--- A function given to `on_change`.
---@class resty.etcd.mirror.types.Callback
---@field fn fun(changes: resty.etcd.mirror.types.Changes)
---@field is_stopped boolean Set by the function that `on_change` returned: `fn` is not called any more.

--- Changes that the callbacks have not received yet.
---@class resty.etcd.mirror.types.PendingChanges: resty.etcd.mirror.types.Changes
---@field callbacks resty.etcd.mirror.types.Callback[] The callbacks at the time of the change.

---@class resty.etcd.mirror.types.Options
---@field decode? (fun(bytes: string, kv: resty.etcd.mirror.types.Kv): any, any) Makes a value from bytes; default: the client's serializer.
---@field serializer? ("raw"|resty.etcd.serializers.serializer.Serializer|"json"|"json_exact") Makes a value from bytes, instead of the client's serializer.
---@field validate? (fun(value: any, key: string): boolean?, any) Returns true if the mirror accepts the value.
---@field transform? (fun(value: any, kv: resty.etcd.mirror.types.Kv): any, any) Makes the value that `get` returns, once per change.
---@field index? table<string, fun(value: any, kv: resty.etcd.mirror.types.Kv): any> Index functions by the name of the index.
---@field shared_prefix? string Watchers and mirrors below this prefix share one watch stream.
---@field idle_timeout? number Seconds without a byte from etcd after which a stream is opened again.
---@field mode? ("shared"|"worker") "worker": each worker watches etcd. "shared": one of them watches for all.
---@field shm_name? string With `mode` "shared": the shared dict for the log.
---@field snapshot? string Path of a file with the latest state, which a mirror starts from while etcd is unreachable.
---@field snapshot_interval? number Seconds between a change and the write of the file; default 5.

--- The functions that make a kv from bytes.
---@class resty.etcd.mirror.types.Decoder
---@field decode fun(bytes: string, kv: resty.etcd.mirror.types.Kv): any, any
---@field has_user_functions boolean `decode`, `validate` or `transform` was given by the user.
---@field validate (fun(value: any, key: string): boolean?, any)?
---@field transform (fun(value: any, kv: resty.etcd.mirror.types.Kv): any, any)?
---@field prefix_length number Bytes of the client's `key_prefix`.
---@field log resty.etcd.base.rate_limited_log.RateLimitedLog
---@field rejected_count number Items rejected so far.
---@field is_calling boolean One of the functions has not returned yet.

--- The keys with one value of an index.
---@class resty.etcd.mirror.types.Bucket
---@field keys string[] In byte order.
---@field list resty.etcd.mirror.types.Kv[]? Their kvs: made on demand, never changed afterwards.

---@class resty.etcd.mirror.types.Index
---@field name string
---@field fn fun(value: any, kv: resty.etcd.mirror.types.Kv): any
---@field buckets table
---@field values table

---@class resty.etcd.mirror.types.Indexes
---@field by_name table
---@field pending table Functions of the indexes that were added and are not built yet, by the name of the index.
---@field building string? Name of the pending index that is being built.
---@field log resty.etcd.base.rate_limited_log.RateLimitedLog
---@field error_count number Errors that index functions have thrown so far.
---@field is_calling boolean An index function has not returned yet.

--- The keys of a store in byte order, sorted on demand.
---@class resty.etcd.mirror.types.KeyOrder
---@field sorted string[] Sorted; includes deleted keys if `has_deleted`, and lacks those of `unsorted`.
---@field unsorted string[]
---@field has_deleted boolean

--- Arrays of kvs, made on demand, never changed afterwards.
---@class resty.etcd.mirror.types.Lists
---@field all resty.etcd.mirror.types.Kv[]?
---@field by_prefix table
---@field prefix_count number

--- What lookups read.
---@class resty.etcd.mirror.types.Store
---@field kvs table
---@field key_count number
---@field order resty.etcd.mirror.types.KeyOrder
---@field lists resty.etcd.mirror.types.Lists
---@field invalid_items table
---@field revision number etcd's revision; 0 before the first full state.
---@field version number Number of changes of the content; 0 before the first full state.
---@field is_ready boolean There is a full state: an absent key is absent in etcd.

--- The callbacks of `on_change`, and what they have not received yet.
---@class resty.etcd.mirror.types.Notifications
---@field log resty.etcd.base.rate_limited_log.RateLimitedLog
---@field callbacks resty.etcd.mirror.types.Callback[]
---@field joining resty.etcd.mirror.types.Callback[] Callbacks that receive the whole content before they receive changes.
---@field pending resty.etcd.mirror.types.PendingChanges[] In the order of revisions.
---@field coalescing resty.etcd.mirror.types.PendingChanges[] Those that are being merged, which were pending before.
---@field current resty.etcd.mirror.types.PendingChanges? Those that the callbacks receive now.
---@field called number Number of callbacks that were called with `current`.
---@field pending_count number Number of changes in `pending`.
---@field coalesce_at number Above this number, pending changes are coalesced.
---@field is_notifying boolean The light thread calls the callbacks.
---@field thread table? It lasts as long as the turn of the loop, and waits for changes.
---@field wake_signal table Posted when there are changes for the light thread.
---@field done_signal table Posted when the light thread has called the callbacks.
---@field callback_started_at number? When the callback that has not returned was called; nil between two calls.
---@field has_warned boolean The running callback was logged as slow.
---@field is_stopped boolean The mirror is closed: no callback is called any more.
---@field error_count number Errors that callbacks have thrown so far.
---@field coalesced_count number Times that pending changes were coalesced.

--- Numbers since the mirror was created.
---@class resty.etcd.mirror.types.LoopCounters
---@field batches number Revisions, including those that changed nothing.
---@field puts number
---@field deletes number
---@field full table<string, number> Full states, by reason.
---@field failures number Feeds that ended with an error.

--- A batch that was applied.
---@class resty.etcd.mirror.types.AppliedBatch
---@field revision number
---@field changes resty.etcd.mirror.types.Change[]
---@field is_first boolean It was the first full state.

--- Follows one feed after the other.
---@class resty.etcd.mirror.types.Loop
---@field source fun(): resty.etcd.watch.feed.Feed?, resty.etcd.protocol.errors.EtcdError? Opens a feed.
---@field is_closed boolean
---@field feed resty.etcd.watch.feed.Feed?
---@field feed_opened_at number
---@field has_received boolean The feed has delivered a batch.
---@field has_etcd_state boolean A batch was from etcd, not from a snapshot file.
---@field feed_revision number Revision of the last batch.
---@field confirmed_revision number Revision for which etcd has confirmed the content since the last full state; 0 for none.
---@field last_received_at number? Time of the last response from etcd to the previous feed.
---@field last_error resty.etcd.protocol.errors.EtcdError?
---@field counters resty.etcd.mirror.types.LoopCounters
---@field timer resty.etcd.base.timer_types.TimerLoop Makes the turns.
---@field has_user_functions boolean The turns can call functions of users.
---@field batch resty.etcd.watch.feed.Batch? Taken from the feed but not applied yet.
---@field applied resty.etcd.mirror.types.AppliedBatch? Applied, but not given to `notifier` yet.
---@field failures_in_a_row number Number of feeds that failed in a row.
---@field next_feed_at number Earliest time at which the next feed is opened.
---@field is_applying boolean A batch is being applied.
---@field successor resty.etcd.base.timer_types.TimerLoop? Waits for a timer that can call functions of users, in which the loop then continues.

---@class resty.etcd.mirror.types.State
---@field cli resty.etcd.call.client_state.ClientState
---@field dir string
---@field mode string
---@field decoder resty.etcd.mirror.types.Decoder
---@field store resty.etcd.mirror.types.Store
---@field indexes resty.etcd.mirror.types.Indexes
---@field notifications resty.etcd.mirror.types.Notifications
---@field loop resty.etcd.mirror.types.Loop
---@field ready_waiters table Callers that wait for the first full state.
---@field revision_waiters table Callers that wait for a revision.
---@field next_confirmation_at number Earliest time of the next request whether the content is current.
---@field log resty.etcd.base.rate_limited_log.RateLimitedLog

return _M
