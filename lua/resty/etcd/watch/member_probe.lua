-- Generated from src/resty/etcd/watch/member_probe.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local digest = require("resty.etcd.base.digest")
local identities = require("resty.etcd.call.identity")
local rpcs = require("resty.etcd.protocol.rpc")
local timer_loops = require("resty.etcd.base.timer_loop")
local shared_watches = require("resty.etcd.watch.shared_watch")
local watch_errors = require("resty.etcd.watch.errors")
local now = clock.now
local find = string.find
local max = math.max
local min = math.min

--- Seconds without a byte from a member after which it is probed, and least interval of its probes.
local PROBE_INTERVAL = 5

--- Seconds that a member has to respond: with the interval, its streams leave it within 7 s.
local RESPONSE_TIME = 1.5

--- Seconds of that which must be left for the response: slow DNS can use up the rest.
local MIN_RESPONSE_TIME = 0.5

--- Seconds after which another probe can follow one that has not ended: nginx waits for DNS for 30 s by default.
local MAX_PROBE_TIME = 60

--- Minimum seconds of a wait.
local MIN_WAIT = 0.01

--- Seconds after which a member without streams is forgotten.
local FORGET_TIME = 60

--- Texts of sockets when nothing answers at an address.
local NO_CONNECTION = {
    "timeout",
    "timed out",
    "refused",
    "no route to host",
    "unreachable"
}

--- A member of a cluster that streams of this worker are open at. A member that is stopped, or whose machine has lost its
--- power, closes no connection: its streams look idle. One probe serves all of them.
---@class resty.etcd.watch.member_probe.Member
---@field last_received_at number Time of the last byte on any of its streams, or of its last response to a probe.
---@field probed_at number Start of the last probe.
---@field is_probing boolean The last probe has not ended.
---@field unresponsive_since number Start of the last probe that got no response: streams that were silent since then are dead.
---@field checked_at number When one of its streams was last checked.
---@field watches table The watches that have a stream there: woken if it does not respond. Keys are weak.

--- The members, for all clients of the worker that reach them in the same way. See `key_of`.
local members = {}

--- Returns what distinguishes members: the URL of the endpoint, and the way there, which can lead to different servers.
---@param core resty.etcd.call.client_state.Core
---@param http_host string
---@return string
local function key_of(core, http_host)
    return digest.field("host", http_host) .. identities.of_route(core)
end

local function member_of(core, http_host)
    local key = key_of(core, http_host)
    local known = members[key]
    if known ~= nil then
        return known
    end
    local time = now()
    for other, member in pairs(members) do
        if time - member.checked_at > FORGET_TIME then
            members[other] = nil
        end
    end
    local created = {
        last_received_at = 0,
        probed_at = 0,
        is_probing = false,
        unresponsive_since = 0,
        checked_at = time,
        watches = setmetatable({}, {__mode = "k"})
    }
    members[key] = created
    return created
end

--- Reports whether an error shows that a member does not respond. Any response shows that it does, also the failure of a TLS
--- handshake, which can have its cause in this client alone.
---@param err resty.etcd.protocol.errors.EtcdError
---@param http_host string
---@param progress resty.etcd.transport.transport.AttemptProgress
---@return boolean
local function is_unresponsive(err, http_host, progress)
    if err.endpoint ~= http_host then
        return false
    end
    if watch_errors.is_local_failure(err) then
        return false
    end
    for ____, text in ipairs(NO_CONNECTION) do
        local at = find(err.message, text, 1, true)
        if err.name == "connect_failed" and at ~= nil then
            return true
        end
    end
    if err.name ~= "timeout" or progress.dialed_at == nil then
        return false
    end
    local connected_at = progress.connected_at
    return connected_at == nil or now() - connected_at >= MIN_RESPONSE_TIME
end

--- Asks a member for a serializable count of one key, which it answers without the other members.
---@param member resty.etcd.watch.member_probe.Member
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
local function probe(member, shared_watch, endpoint)
    local started = now()
    local request = {key = shared_watch.range.key, count_only = true, serializable = true}
    local progress = {}
    local options = {timeout = RESPONSE_TIME, quiet = true, at = endpoint, progress = progress}
    local reply, err = call.unary(shared_watch.core, rpcs.range, request, options)
    member.is_probing = false
    if reply == nil and is_unresponsive(err, endpoint.http_host, progress) then
        member.unresponsive_since = started
        for other in pairs(member.watches) do
            shared_watches.wake(other)
        end
    else
        member.last_received_at = max(member.last_received_at, started)
    end
end

--- Returns when the next probe of a member is due.
---@param member resty.etcd.watch.member_probe.Member
---@return number
local function due_at(member)
    local interval = member.is_probing and MAX_PROBE_TIME or PROBE_INTERVAL
    return max(member.last_received_at + PROBE_INTERVAL, member.probed_at + interval)
end

--- Probes a member in a turn of a separate loop, because nginx frees the memory of its connection only with the timer.
---@param member resty.etcd.watch.member_probe.Member
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
local function start(member, shared_watch, endpoint)
    member.probed_at = now()
    member.is_probing = true
    local function run_turn()
        probe(member, shared_watch, endpoint)
        return nil
    end
    timer_loops.start(
        timer_loops.new("probe of " .. endpoint.http_host, run_turn, {}),
        0
    )
end

--- Returns the endpoint of a stream, if its client has others, too.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param http_host string
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function endpoint_to_leave(shared_watch, http_host)
    local ____shared_watch_core_0 = shared_watch.core
    local endpoints = ____shared_watch_core_0.endpoints
    for ____, endpoint in ipairs(endpoints) do
        if endpoint.http_host == http_host and #endpoints > 1 then
            return endpoint
        end
    end
    return nil
end

--- Reports whether the member of a stream does not respond, and another endpoint can be tried. Probes the member if nothing
--- has arrived from it for some seconds. Call it regularly for each stream.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param stream resty.etcd.transport.transport.Stream
---@return boolean
local function is_gone(shared_watch, stream)
    local time = now()
    local received_at = stream:last_received_at()
    local member = member_of(shared_watch.core, stream.endpoint)
    member.checked_at = time
    member.watches[shared_watch] = true
    member.last_received_at = max(member.last_received_at, received_at)
    local endpoint = endpoint_to_leave(shared_watch, stream.endpoint)
    if endpoint == nil then
        return false
    end
    if time >= due_at(member) then
        start(member, shared_watch, endpoint)
    end
    return received_at < member.unresponsive_since
end

--- Returns the seconds until the member of a stream is probed, at most `limit`.
---@param core resty.etcd.call.client_state.Core
---@param stream resty.etcd.transport.transport.Stream
---@param limit number
---@return number
local function seconds_until_probe(core, stream, limit)
    local seconds = max(
        due_at(member_of(core, stream.endpoint)),
        stream:last_received_at() + PROBE_INTERVAL
    ) - now()
    return seconds > 0 and max(
        MIN_WAIT,
        min(limit, seconds)
    ) or limit
end
_M.is_gone = is_gone
_M.seconds_until_probe = seconds_until_probe

return _M
