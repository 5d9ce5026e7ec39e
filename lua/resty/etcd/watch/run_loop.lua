-- Generated from src/resty/etcd/watch/run_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local lists = require("resty.etcd.watch.list")
local liveness_checks = require("resty.etcd.watch.liveness")
local reopen_policy = require("resty.etcd.watch.reopen_policy")
local shared_watches = require("resty.etcd.watch.shared_watch")
local sharing = require("resty.etcd.watch.sharing")
local stream_reader = require("resty.etcd.watch.stream_reader")
local watch_errors = require("resty.etcd.watch.errors")
local now = clock.now
local min = math.min

--- Maximum seconds of a wait, so that the worker's exit and silent streams are noticed.
local POLL_INTERVAL = 0.5

--- Waits for something to do. Returns false if the watch has no subscribers any more.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param threads table
---@param seconds number
---@return boolean
local function wait_for_work(shared_watch, threads, seconds)
    lists.sweep(threads)
    lists.start(shared_watch, threads)
    shared_watches.wait(shared_watch, seconds)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if subscriber.is_closed then
            shared_watches.unsubscribe(subscriber)
        end
    end
    if ngx.worker.exiting() then
        shared_watches.fail_all(
            shared_watch,
            watch_errors.exiting()
        )
        lists.stop(
            threads,
            watch_errors.exiting()
        )
        return false
    end
    return #shared_watch.subscribers > 0
end

--- Logs why a stream has ended, but not each time.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
local function log_reopen(shared_watch, err)
    if reopen_policy.is_log_due(shared_watch.reopen_policy, err) then
        local text = string.gsub(
            "watch of " .. shared_watch.range.key .. ": " .. errors.to_text(err),
            "%c",
            "?"
        )
        ngx.log(ngx.WARN, text, ". Opening it again")
    end
end

--- Handles the end of a stream.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return number? # the delay in seconds before the next stream; nil if the watch has ended with an error
local function handle_stream_end(shared_watch, session)
    local err = session.err
    local core = shared_watch.core
    shared_watches.note_stream_end(shared_watch, err)
    watch_errors.drop_token(core, err)
    if watch_errors.is_permanent(core, err) then
        if watch_errors.is_forbidden(err) then
            sharing.split(shared_watch)
        end
        shared_watches.fail_all(shared_watch, err)
        return nil
    end
    local policy = shared_watch.reopen_policy
    local delay = reopen_policy.next_delay(policy, err, session.created_at, session.has_delivered)
    if err.name == "compacted" then
        shared_watches.on_revisions_lost(shared_watch, "compacted", err)
    end
    if delay > 0 and #shared_watch.subscribers > 0 then
        log_reopen(shared_watch, err)
    end
    return delay
end

--- Opens a stream and stays with it until it ends.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param threads table
---@return number? # the delay in seconds before the next stream; nil if the watch has ended
local function run_stream(shared_watch, threads)
    local session = stream_reader.start(shared_watch)
    local liveness = liveness_checks.new()
    local is_wanted = true
    while is_wanted and not stream_reader.is_over(session) do
        is_wanted = wait_for_work(shared_watch, threads, POLL_INTERVAL)
        if is_wanted and not stream_reader.is_over(session) then
            local err = liveness_checks.check(liveness, shared_watch, session)
            if err ~= nil then
                stream_reader.finish(session, err)
            end
        end
    end
    liveness_checks.stop(liveness)
    stream_reader.stop(shared_watch, session)
    if not is_wanted then
        return nil
    end
    return handle_stream_end(shared_watch, session)
end

--- Waits in this timer before the next stream.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param threads table
---@param seconds number
local function wait_to_reopen(shared_watch, threads, seconds)
    local until_time = now() + seconds
    local left = seconds
    while left > 0 and wait_for_work(
        shared_watch,
        threads,
        min(left, POLL_INTERVAL)
    ) do
        left = until_time - now()
    end
end

--- The timer of a shared watch: opens streams for as long as the watch has subscribers.
---@param premature boolean
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function run(premature, shared_watch)
    if not shared_watches.mark_running(shared_watch) then
        return
    end
    if premature or ngx.worker.exiting() then
        shared_watches.fail_all(
            shared_watch,
            watch_errors.exiting()
        )
        return
    end
    local threads = {}
    while #shared_watch.subscribers > 0 do
        local delay = run_stream(shared_watch, threads)
        if delay ~= nil then
            if not lists.sweep(threads) and (shared_watches.start(shared_watch, delay)) ~= nil then
                return
            end
            wait_to_reopen(shared_watch, threads, delay)
        end
    end
    while lists.sweep(threads) do
        wait_for_work(shared_watch, threads, POLL_INTERVAL)
    end
end
_M.run = run

return _M
