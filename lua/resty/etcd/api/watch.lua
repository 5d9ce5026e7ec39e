-- Generated from src/resty/etcd/api/watch.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local checks = require("resty.etcd.base.checks")
local balancer = require("resty.etcd.endpoint.balancer")
local call = require("resty.etcd.call.call")
local errors = require("resty.etcd.protocol.errors")
local completeness = require("resty.etcd.protocol.completeness")
local rpcs = require("resty.etcd.protocol.rpc")
local time_slice = require("resty.etcd.base.time_slice")
local method_options = require("resty.etcd.api.method_options")
local request_options = require("resty.etcd.api.request_options")
local result = require("resty.etcd.api.result")

---@class resty.etcd.api.watch.WatchOptions: resty.etcd.api.kv.CallOptions
---@field start_revision? (string|number) First revision to report; default: the next one.
---@field progress_notify? boolean Also return responses without events, which report etcd's current revision.
---@field filters? (string|number|(string|number)[]) "NOPUT", "NODELETE", or the enum number; one or an array.
---@field prev_kv? boolean Return the previous key-value pair with each event.
---@field watch_id? (string|number)
---@field fragment? boolean Let etcd split large responses.
---@field need_cancel? boolean Also return the handle for `watchcancel`.
---@field require_leader? boolean Let etcd cancel the watch when its member has no leader; default false.

---@class resty.etcd.api.watch.Event
---@field type? "DELETE" "DELETE", or nil for a put.
---@field kv resty.etcd.protocol.message.KeyValue
---@field prev_kv? resty.etcd.protocol.message.KeyValue

---@class resty.etcd.api.watch.WatchResult
---@field header resty.etcd.protocol.message.Header
---@field watch_id? string
---@field created? true
---@field canceled? true
---@field cancel_reason? string
---@field compact_revision? string
---@field events? resty.etcd.api.watch.Event[]
---@field fragment? true More events of the same revision follow; only with the option `fragment`.

--- Response of a watch, or an error that etcd sent instead.
---@class resty.etcd.api.watch.WatchReply
---@field result? resty.etcd.api.watch.WatchResult
---@field error? table

--- Handle that `watchcancel` accepts.
---@class resty.etcd.api.watch.WatchHandle
---@field close fun(self: resty.etcd.api.watch.WatchHandle): number

local CREATE_OPTIONS = {
    "start_revision",
    "progress_notify",
    "prev_kv",
    "watch_id",
    "fragment"
}

--- Reason phrases of the HTTP statuses that etcd's errors have.
local STATUS_TEXT = {}
STATUS_TEXT[400] = "Bad Request"
STATUS_TEXT[401] = "Unauthorized"
STATUS_TEXT[403] = "Forbidden"
STATUS_TEXT[404] = "Not Found"
STATUS_TEXT[408] = "Request Timeout"
STATUS_TEXT[409] = "Conflict"
STATUS_TEXT[412] = "Precondition Failed"
STATUS_TEXT[429] = "Too Many Requests"
STATUS_TEXT[499] = "Client Closed Request"
STATUS_TEXT[500] = "Internal Server Error"
STATUS_TEXT[501] = "Not Implemented"
STATUS_TEXT[503] = "Service Unavailable"
STATUS_TEXT[504] = "Gateway Timeout"

local function status_text(status)
    return STATUS_TEXT[status] or tostring(status)
end

--- Returns the error of a watch that was not created.
---@param err resty.etcd.protocol.errors.EtcdError
---@param is_error_reply boolean
---@return nil res
---@return string err
---@return resty.etcd.protocol.errors.EtcdError details
local function open_failed(err, is_error_reply)
    if is_error_reply then
        local text = "failed to watch data, response code: " .. tostring(err.http_status or 0) .. ", " .. err.message
        return nil, text, err
    end
    return errors.to_result(err)
end

--- Returns what the reader returns for an error: a response with the error for 4xx, otherwise nil and a text.
---@param cli resty.etcd.call.client_state.ClientState
---@param err resty.etcd.protocol.errors.EtcdError
---@return resty.etcd.api.watch.WatchReply? reply
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function stream_failed(cli, err)
    local status = err.http_status
    if status == nil then
        return nil, err.message, err
    end
    if status >= 500 then
        local endpoint = err.endpoint or ""
        balancer.report(cli, endpoint, "failure")
        balancer.note_failure(
            cli,
            endpoint,
            errors.to_text(err)
        )
        return nil, endpoint .. ": " .. status_text(status), err
    end
    local error_reply = {
        http_code = status,
        http_status = status_text(status),
        message = err.message
    }
    if err.code ~= nil then
        error_reply.grpc_code = err.code
    end
    return {error = error_reply}
end

--- Reports whether a response has more to say than etcd's current revision.
---@param reply resty.etcd.api.watch.WatchResult
---@return boolean
local function has_news(reply)
    return reply.events ~= nil or reply.created == true or reply.canceled == true
end

--- Reports whether an event of a response has no key: etcd sends no such event.
---@param reply resty.etcd.api.watch.WatchResult
---@return boolean
local function lacks_key(reply)
    for ____, ____value in ipairs(reply.events or ({})) do
        local kv = ____value.kv
        local prev_kv = ____value.prev_kv
        if kv == nil or not completeness.has_key(kv) or prev_kv ~= nil and not completeness.has_key(prev_kv) then
            return true
        end
    end
    return false
end

--- Reports whether the events of a response can be merged with those of another.
---@param reply resty.etcd.api.watch.WatchResult
---@return boolean
local function is_plain(reply)
    return reply.created ~= true and reply.canceled ~= true
end

--- Appends the events that have already arrived to `reply`. Returns the first response that cannot be merged, or nil.
---@param stream resty.etcd.transport.transport.Stream
---@param reply resty.etcd.api.watch.WatchResult
---@return resty.etcd.api.watch.WatchResult?
local function merge_arrived(stream, reply)
    local events = reply.events
    while true do
        local more = stream:try_recv()
        if more == nil then
            return nil
        end
        if not is_plain(more) or lacks_key(more) then
            return more
        end
        for ____, event in ipairs(more.events or ({})) do
            events[#events + 1] = event
        end
        reply.header = more.header
        reply.fragment = more.fragment
    end
end

--- Response whose values are not all decoded yet. The reader keeps it, because the light thread can be killed meanwhile.
---@class resty.etcd.api.watch.Unfinished
---@field reply resty.etcd.api.watch.WatchResult
---@field decoded number

local function decode_events(cli, unfinished)
    local events = unfinished.reply.events or ({})
    local slice = time_slice.start()
    for i = unfinished.decoded + 1, #events do
        local event = events[i]
        unfinished.decoded = i
        result.decode_value(cli.serializer, event.kv)
        result.decode_value(cli.serializer, event.prev_kv)
        time_slice.yield_if_due(slice)
    end
end

local function make_reader(cli, stream, timeout, wants_progress)
    local next_reply
    local unfinished
    local last_error
    local last_details
    local token = {}
    local ____opt_0 = cli.sync_plan
    if ____opt_0 ~= nil then
        ____opt_0.readers[token] = true
    end
    return function()
        while true do
            do
                if unfinished ~= nil then
                    local ____unfinished_2 = unfinished
                    local reply = ____unfinished_2.reply
                    decode_events(cli, unfinished)
                    unfinished = nil
                    if reply.canceled == true then
                        stream:close()
                    end
                    return {result = reply}
                end
                if last_error ~= nil then
                    return nil, last_error, last_details
                end
                local reply = next_reply
                next_reply = nil
                if reply == nil then
                    local message, err = stream:recv(timeout)
                    if message == nil then
                        local error_reply, text, details = stream_failed(cli, err)
                        if error_reply ~= nil then
                            return error_reply
                        end
                        last_error = text
                        last_details = details
                        local ____opt_3 = cli.sync_plan
                        if ____opt_3 ~= nil then
                            ____opt_3.readers[token] = nil
                        end
                        goto __continue25
                    end
                    reply = message
                end
                if lacks_key(reply) then
                    stream:close()
                    last_error = "malformed reply: watch event without key"
                    last_details = errors.local_error("bad_reply", last_error, stream.endpoint)
                    local ____opt_5 = cli.sync_plan
                    if ____opt_5 ~= nil then
                        ____opt_5.readers[token] = nil
                    end
                    goto __continue25
                end
                if reply.events ~= nil and is_plain(reply) then
                    next_reply = merge_arrived(stream, reply)
                end
                if wants_progress or has_news(reply) then
                    unfinished = {reply = reply, decoded = 0}
                end
            end
            ::__continue25::
        end
    end
end

local function make_handle(stream)
    return {close = function(self)
        stream:close()
        return 1
    end}
end

local function start(cli, create_request, opts)
    request_options.copy(opts, CREATE_OPTIONS, create_request)
    if (opts and opts.filters) ~= nil then
        create_request.filters = type(opts.filters) == "table" and opts.filters or ({opts.filters})
    end
    local options = {timeout = opts and opts.timeout, require_leader = (opts and opts.require_leader) == true}
    local stream, err, error_reply = call.open(cli, rpcs.watch, {create_request = create_request}, options)
    if stream == nil then
        return open_failed(err, error_reply ~= nil)
    end
    local timeout = opts and opts.timeout or cli.timeout
    local reader = make_reader(cli, stream, timeout > 0 and timeout or nil, (opts and opts.progress_notify) == true)
    stream:end_at_exit()
    local need_cancel = opts and opts.need_cancel
    if need_cancel ~= nil and need_cancel ~= false then
        stream:allow_cancel()
        return reader, nil, make_handle(stream)
    end
    return reader
end

--- Watches a key.
---@param self resty.etcd.call.client_state.ClientState
---@param key string not empty
---@param opts? resty.etcd.api.watch.WatchOptions
---@return (fun(): resty.etcd.api.watch.WatchReply?, string?, resty.etcd.protocol.errors.EtcdError?)? reader # a function that returns the next response at each call
---@return string? err
---@return (resty.etcd.protocol.errors.EtcdError|resty.etcd.api.watch.WatchHandle)? handle
local function watch(self, key, opts)
    local problem = checks.check_key(key) or method_options.check("watch", opts) or request_options.check_watch_opts(opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local request = {}
    request.key = keys.with_prefix(self.key_prefix, key)
    return start(self, request, opts)
end

--- Watches all keys with the prefix `dir`.
---@param self resty.etcd.call.client_state.ClientState
---@param dir string "" for all keys
---@param opts? resty.etcd.api.watch.WatchOptions
---@return (fun(): resty.etcd.api.watch.WatchReply?, string?, resty.etcd.protocol.errors.EtcdError?)? reader # a function that returns the next response at each call
---@return string? err
---@return (resty.etcd.protocol.errors.EtcdError|resty.etcd.api.watch.WatchHandle)? handle
local function watchdir(self, dir, opts)
    local problem = checks.check_key_prefix(dir) or method_options.check("watchdir", opts) or request_options.check_watch_opts(opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    return start(
        self,
        keys.prefix_range(self.key_prefix, dir),
        opts
    )
end

--- Cancels a watch that was started with `need_cancel`. A pending read in another light thread returns within 1 s.
---@param self resty.etcd.call.client_state.ClientState
---@param http_cli resty.etcd.api.watch.WatchHandle handle: the third return value of the watch
---@return number? ok # 1
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function watchcancel(self, http_cli)
    if type(http_cli) ~= "table" or type(http_cli.close) ~= "function" then
        return errors.bad_request("http_cli is not what a watch returned")
    end
    return http_cli:close()
end
_M.watch = watch
_M.watchcancel = watchcancel
_M.watchdir = watchdir

return _M
