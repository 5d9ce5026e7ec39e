-- Generated from src/resty/etcd/mirror/types.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A key as a mirror holds it; int64 values are decimal strings.
---@class resty.etcd.mirror.types.Kv
---@field key string As the client's caller writes it: without the client's `key_prefix`.
---@field value any Decoded, and as `transform` made it.
---@field create_revision string
---@field mod_revision string
---@field version string
---@field lease string?

--- An item that is not taken in, and why.
---@class resty.etcd.mirror.types.Invalid
---@field err string
---@field create_revision string
---@field mod_revision string

--- What one revision has done to a key.
---@class resty.etcd.mirror.types.Change
---@field type "PUT"|"DELETE"
---@field key string
---@field kv? resty.etcd.mirror.types.Kv nil for a deletion.
---@field old? resty.etcd.mirror.types.Kv What it was before; nil if it was not there.

--- Changes that become visible together.
---@class resty.etcd.mirror.types.Changes
---@field revision number
---@field changes resty.etcd.mirror.types.Change[]

--- A function of a caller's, as one thing that can be taken off again.
---@class resty.etcd.mirror.types.Callback
---@field fn fun(changes: resty.etcd.mirror.types.Changes)
---@field is_stopped boolean It was taken off: it is not called any more.

--- Changes that nobody was told of yet.
---@class resty.etcd.mirror.types.PendingChanges: resty.etcd.mirror.types.Changes
---@field callbacks resty.etcd.mirror.types.Callback[] Those who asked for changes when these came.

---@class resty.etcd.mirror.types.Options
---@field decode? (fun(bytes: string, kv: resty.etcd.mirror.types.Kv): any, any) Makes a value of bytes; default the client's serializer.
---@field validate? (fun(value: any, key: string): boolean?, any) True for a value that may be taken in.
---@field transform? (fun(value: any, kv: resty.etcd.mirror.types.Kv): any, any) Makes what `get` answers out of a value, once per change.
---@field index? table<string, fun(value: any, kv: resty.etcd.mirror.types.Kv): any> Functions that tell what a key is found under, by the name of the index.
---@field shared_prefix? string Watchers and mirrors below this prefix share one stream.
---@field idle_timeout? number Seconds without a byte from etcd after which a stream is opened anew.
---@field mode? ("shared"|"worker") Who watches: each worker, or one of them for all.
---@field shm_name? string With `mode` "shared": the shared dict for the log.
---@field snapshot? string Path of a file with the latest state, to begin with while etcd is away.
---@field snapshot_interval? number Seconds after a change before the file is written; default 5.

--- All that is found under one value of an index.
---@class resty.etcd.mirror.types.Bucket
---@field keys string[] In their order.
---@field list resty.etcd.mirror.types.Kv[]? Made when it is asked for, never changed afterwards.

---@class resty.etcd.mirror.types.Index
---@field name string
---@field fn fun(value: any, kv: resty.etcd.mirror.types.Kv): any
---@field buckets table
---@field values table

--- What is held, and what can be looked up in it.
---@class resty.etcd.mirror.types.Store
---@field kvs table The look-up table.
---@field key_count number
---@field sorted string[] Keys in their order: with some that are gone if `has_gaps`, and without those of `added`.
---@field unsorted_keys string[]
---@field has_deleted_keys boolean
---@field list resty.etcd.mirror.types.Kv[]? Made when it is asked for, never changed afterwards.
---@field lists table
---@field list_count number
---@field indexes table
---@field invalid_items table
---@field at_revision number
---@field data_version number Counts real changes; 0 until there is a full state.

--- What has happened so far.
---@class resty.etcd.mirror.types.Counters
---@field batches number Revisions, whether they changed anything or not.
---@field puts number
---@field deletes number
---@field full table<string, number> Full states, by reason.
---@field invalid number Items that were not taken in.
---@field callback_errors number
---@field coalesced number How often changes that waited for functions of `on_change` became one difference.
---@field index_errors number
---@field failures number Feeds that ended in an error.

---@class resty.etcd.mirror.types.State: resty.etcd.mirror.types.Store
---@field cli resty.etcd.call.client_state.ClientState
---@field dir string
---@field opts resty.etcd.mirror.types.Options
---@field decode fun(bytes: string, kv: resty.etcd.mirror.types.Kv): any, any
---@field prefix_length number Bytes of the client's prefix.
---@field source fun(): resty.etcd.watch.feed.Feed?, resty.etcd.protocol.errors.EtcdError?
---@field counters resty.etcd.mirror.types.Counters
---@field miss_reason string? What `get` says of a key that is not there.
---@field is_closed boolean
---@field life resty.etcd.base.watchdog.Heartbeat Of the timer that it runs in.
---@field timers number Timers so far: the last one is the one that may run.
---@field is_applying boolean It is changing the store.
---@field feed resty.etcd.watch.feed.Feed?
---@field has_received boolean The feed has delivered something.
---@field last_received_at number? When etcd was last heard of by the feed before.
---@field last_error resty.etcd.protocol.errors.EtcdError?
---@field callbacks resty.etcd.mirror.types.Callback[]
---@field pending_changes resty.etcd.mirror.types.PendingChanges[] In their order; and how many changes that is, and from how many on they become one difference.
---@field pending_count number
---@field coalesce_at number
---@field is_notifying boolean A light thread tells them.
---@field notifier_thread table? That thread.
---@field callback_started_at number? When it called the function that has not returned; nil between two calls.
---@field has_warned boolean That this function is slow has been said.
---@field waiters table Those who wait for the first state; who was killed or has given up is forgotten.
---@field lock table Whoever has it may change the store, and yield in between.
---@field wake table Ends a pause between two feeds.
---@field building_indexes table Indexes that are being made.
---@field log resty.etcd.base.rate_limited_log.RateLimitedLog What users' functions and items get wrong.

return _M
