-- Generated from src/resty/etcd/call/idempotency.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local cluster = require("resty.etcd.call.cluster")
local single_flight = require("resty.etcd.base.single_flight")
local unique_id = require("resty.etcd.base.unique_id")
local lease_grant = require("resty.etcd.call.lease_grant")
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")
local rpcs = require("resty.etcd.protocol.rpc")
local txn_response = require("resty.etcd.protocol.txn_response")
local now = clock.now
local min = math.min

--- TTL in seconds of a lease for markers. A call must end before its marker expires.
local LEASE_TTL = 600

--- Seconds in which new markers are attached to a lease: the rest of its TTL is for the calls that began last.
local LEASE_USE = 300

--- Seconds after which a call that grants a lease counts as lost, because its light thread can be killed.
local GRANT_TIMEOUT = 2

local function create(prefix)
    return {
        prefix = prefix,
        worker = nil,
        pid = 0,
        count = 0,
        lease = nil,
        fresh_until = 0,
        grants = single_flight.new()
    }
end

--- Returns a key that no other client can guess: one with the permission to write markers could forge a success with it.
---@param markers resty.etcd.call.client_state.IdempotencyMarkers
---@return string
local function next_key(markers)
    local pid = ngx.worker.pid()
    if markers.worker == nil or markers.pid ~= pid then
        markers.worker = unique_id.id()
        markers.pid = pid
        markers.lease = nil
    end
    markers.count = markers.count + 1
    return markers.prefix .. markers.worker .. "/" .. tostring(markers.count) .. "." .. unique_id.id()
end

--- Waits for the lease that another call is being granted, for half of the time at most: that call can be lost.
---@param markers resty.etcd.call.client_state.IdempotencyMarkers
---@param deadline number
local function wait(markers, deadline)
    local latest = (now() + deadline) / 2
    local grant = single_flight.running(markers.grants)
    while grant ~= nil do
        local outcome = single_flight.wait_for(grant, latest)
        if outcome == "timeout" or outcome == "cannot_wait" then
            return
        end
        grant = single_flight.running(markers.grants)
    end
end

--- Returns the lease for the next marker. It is granted first if there is none, or if the lease is too old.
---@param core resty.etcd.call.client_state.Core
---@param timeout number
---@param deadline number
---@return string? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function marker_lease(core, timeout, deadline)
    local markers = core.markers
    wait(markers, deadline)
    if markers.lease ~= nil and now() < markers.fresh_until then
        return markers.lease
    end
    local started = now()
    local grant = single_flight.start(markers.grants, GRANT_TIMEOUT)
    local options = {timeout = timeout, deadline = deadline, semantics = "read", prefer = core.cluster.member}
    local reply, err, error_reply = lease_grant.grant_with_random_id(core, LEASE_TTL, options)
    if reply == nil or not cluster.accepts_reply(core, reply, options) then
        single_flight.finish(markers.grants, grant, true)
        return nil, reply == nil and err or cluster.error_of(core, reply, options), error_reply
    end
    local id = reply.body.ID
    markers.lease = id
    markers.fresh_until = started + LEASE_USE
    single_flight.finish(markers.grants, grant, true)
    return id
end

--- Reports whether the lease exists.
---@param core resty.etcd.call.client_state.Core
---@param lease string
---@param timeout number
---@param deadline number
---@return boolean
local function is_alive(core, lease, timeout, deadline)
    local options = {timeout = timeout, deadline = deadline, quiet = true}
    local reply = cluster.read(core, rpcs.lease_time_to_live, {ID = lease}, options)
    return reply ~= nil and (int64.to_number(reply.body.TTL) or 0) > 0
end

--- Stops attaching markers to a lease that does not exist, unless a concurrent call has replaced it already.
---@param markers resty.etcd.call.client_state.IdempotencyMarkers
---@param lease string
local function forget_lease(markers, lease)
    if markers.lease == lease then
        markers.lease = nil
    end
end

local function put_of(key, value, lease)
    return {request_put = {key = key, value = value, lease = lease}}
end

--- Returns the operations of a branch, followed by the marker.
---@param ops table[]?
---@param marker table
---@return table[]
local function with_marker(ops, marker)
    local all = {}
    for ____, op in ipairs(ops or ({})) do
        all[#all + 1] = op
    end
    all[#all + 1] = marker
    return all
end

--- Returns a transaction that runs another one unless its marker exists, which proves that the other one was applied.
---@param txn table
---@param key string
---@param lease string
---@return table
local function wrap_txn(txn, key, lease)
    local inner = {
        compare = txn.compare or ({}),
        success = with_marker(
            txn.success,
            put_of(key, "1", lease)
        ),
        failure = with_marker(
            txn.failure,
            put_of(key, "0", lease)
        )
    }
    return {compare = {{key = key, target = "CREATE", result = "EQUAL", create_revision = 0}}, success = {{request_txn = inner}}, failure = {{request_range = {key = key}}}}
end

--- Returns the reply of the inner transaction. If an earlier attempt applied it, the marker tells only its branch and revision.
---@param body table
---@param key string of the marker
---@return table? res # nil and an error text if the reply contains neither
---@return string? err
local function unwrap(body, key)
    local result = {}
    local header = body.header
    result.header = header
    if body.succeeded == true then
        local ____opt_0 = body.responses
        local first = ____opt_0 and ____opt_0[1]
        local inner = first and first.response_txn
        if inner == nil then
            return nil, "malformed reply: transaction without the transaction in it"
        end
        local responses = inner.responses or ({})
        table.remove(responses)
        result.succeeded = inner.succeeded
        if #responses > 0 then
            result.responses = responses
        end
        return result
    end
    local marker, problem = txn_response.read_of(body, key)
    if marker == nil then
        return nil, problem or "malformed reply: transaction without its marker"
    end
    result.replayed = true
    if marker.value == "1" then
        result.succeeded = true
    end
    header.revision = marker.mod_revision
    return result
end

--- Runs a transaction that is sent again if its outcome is unknown.
---@param core resty.etcd.call.client_state.Core
---@param txn table its message
---@param timeout number
---@return resty.etcd.transport.transport.Reply? result # the reply; if an earlier attempt was applied, `replayed` is true in it and `responses` is absent
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function run(core, txn, timeout)
    local payload, problem = core.transport:encode(rpcs.txn, txn)
    if payload == nil then
        return nil, errors.local_error("bad_request", problem)
    end
    local deadline = now() + (timeout > 0 and min(timeout, LEASE_USE) or LEASE_USE)
    local key = next_key(core.markers)
    local has_new_lease = false
    local prefer
    while true do
        do
            local lease, lease_err, lease_error_reply = marker_lease(core, timeout, deadline)
            if lease == nil then
                return nil, lease_err, lease_error_reply
            end
            local request = wrap_txn(txn, key, lease)
            local options = {timeout = timeout, deadline = deadline, semantics = "idempotent", prefer = prefer}
            local reply, err, error_reply = call.unary(core, rpcs.txn, request, options)
            if reply ~= nil then
                local inner, inner_problem = unwrap(reply.body, key)
                if inner == nil then
                    local inner_err = errors.local_error("bad_reply", inner_problem, options.answered_by)
                    return nil, errors.with_outcome(inner_err, true)
                end
                reply.body = inner
                return reply
            end
            if err.code ~= 5 or err.maybe_applied then
                return nil, err, error_reply
            end
            local is_at_stray = prefer == nil and cluster.is_stray(core, options.answered_by)
            if is_at_stray then
                prefer = core.cluster.member
                goto __continue27
            end
            if has_new_lease then
                return nil, err, error_reply
            end
            if core.markers.lease == lease and is_alive(core, lease, timeout, deadline) then
                return nil, err, error_reply
            end
            forget_lease(core.markers, lease)
            has_new_lease = true
        end
        ::__continue27::
    end
end
_M.new = create
_M.run = run

return _M
