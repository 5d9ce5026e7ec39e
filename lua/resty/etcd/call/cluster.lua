-- Generated from src/resty/etcd/call/cluster.ts by TypeScriptToLua. Do not edit.
local _M = {}
local masked_url = require("resty.etcd.endpoint.masked_url")
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local phases = require("resty.etcd.base.phase")
local single_flight = require("resty.etcd.base.single_flight")
local waits = require("resty.etcd.base.wait")
local printable = require("resty.etcd.base.printable")
local balancer = require("resty.etcd.endpoint.balancer")
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")
local call = require("resty.etcd.call.call")
local monotonic = require("resty.etcd.call.monotonic")
local now = clock.now

--- Seconds within which endpoints answer of which cluster they are.
local POLL_TIME = 1

--- Seconds between two polls of all endpoints: a client whose endpoints disagree must not ask them all the time.
local MIN_POLL_INTERVAL = 1

--- Seconds for which no endpoint must have been of the followed cluster, before a cluster of fewer than half of the
-- endpoints replaces it. An outage of all members of the followed cluster, with a stray one that answers, is shorter.
local MINORITY_TIME = 300

--- Seconds between two log lines about the same endpoint or cluster.
local LOG_INTERVAL = 10

--- What the endpoints have answered so far.
---@class resty.etcd.call.cluster.Answers
---@field ids table ID of the cluster by host.
---@field votes table Number of endpoints by ID of their cluster.
---@field pending number Endpoints that have not answered yet.
---@field answered table Posted to with each answer.

--- Returns the ID of the cluster that a reply is of; nil if a proxy has answered without one.
---@param body table
---@return string?
local function id_of(body)
    local ____opt_0 = body.header
    return ____opt_0 and ____opt_0.cluster_id
end

local function note_answer(answers, http_host, id)
    answers.ids[http_host] = id
    answers.votes[id] = (answers.votes[id] or 0) + 1
end

local function ask(core, endpoint, answers)
    local reply = call.unary(core, rpcs.status, {}, {timeout = POLL_TIME, quiet = true, at = endpoint})
    local ____temp_2
    if reply ~= nil then
        ____temp_2 = id_of(reply.body)
    else
        ____temp_2 = nil
    end
    local id = ____temp_2
    if id ~= nil then
        note_answer(answers, endpoint.http_host, id)
    end
    answers.pending = answers.pending - 1
    answers.answered:post(1)
end

--- Returns the cluster with the most endpoints; the preferred one if others have no more.
---@param votes table
---@param preferred string
---@return string
local function largest(votes, preferred)
    local best = preferred
    for id, count in pairs(votes) do
        local most = votes[best] or 0
        if count > most or count == most and best ~= preferred and id < best then
            best = id
        end
    end
    return best
end

--- Reports whether more than half of the client's endpoints are of a cluster.
---@param core resty.etcd.call.client_state.Core
---@param votes table
---@param id string
---@return boolean
local function is_majority(core, votes, id)
    return (votes[id] or 0) * 2 > #core.endpoints
end

--- Asks all endpoints of which cluster they are, until more than half of them agree. Members answer that without quorum
--- and without a token.
---@param core resty.etcd.call.client_state.Core
---@param seen_id string what `seen_host` has answered already
---@param seen_host string
---@return resty.etcd.call.cluster.Answers?
local function ask_all(core, seen_id, seen_host)
    local answered = semaphore.new(0)
    if answered == nil then
        return nil
    end
    local answers = {ids = {}, votes = {}, pending = 0, answered = answered}
    note_answer(answers, seen_host, seen_id)
    local threads = {}
    for ____, endpoint in ipairs(core.endpoints) do
        local host = endpoint.http_host
        if type(host) == "string" and host ~= seen_host then
            answers.pending = answers.pending + 1
            threads[#threads + 1] = ngx.thread.spawn(ask, core, endpoint, answers)
        end
    end
    local deadline = now() + POLL_TIME
    local left = POLL_TIME
    while answers.pending > 0 and left > 0 and not is_majority(
        core,
        answers.votes,
        largest(answers.votes, seen_id)
    ) do
        waits.wait(answered, left)
        left = deadline - now()
    end
    for ____, thread in ipairs(threads) do
        ngx.thread.kill(thread)
    end
    return answers
end

--- Reports whether a line about something is due, and counts it as logged.
---@param followed resty.etcd.call.client_state.FollowedCluster
---@param subject string
---@return boolean
local function is_log_due(followed, subject)
    local time = now()
    if time < (followed.next_log_at[subject] or 0) then
        return false
    end
    followed.next_log_at[subject] = time + LOG_INTERVAL
    return true
end

local function host_of(answers, id)
    for host, other in pairs(answers.ids) do
        if other == id then
            return host
        end
    end
    return nil
end

--- Decides which cluster to follow: that of more than half of the endpoints; else the one followed so far, if an endpoint
--- is of it; else, at first, the one that most endpoints are of. A smaller one replaces the one followed so far only
--- after that was gone for a long time: its members can be unreachable for a while, next to a stray one.
---@param core resty.etcd.call.client_state.Core
---@param answers resty.etcd.call.cluster.Answers
---@param seen_id string
---@return string? # its ID; nil if that is undecided
local function choose(core, answers, seen_id)
    local followed = core.cluster
    local before = followed.id
    local votes = answers.votes
    local best = largest(votes, before or seen_id)
    if before == nil or is_majority(core, votes, best) then
        return best
    end
    if (votes[before] or 0) > 0 then
        return before
    end
    local time = now()
    if followed.missing_since == nil then
        followed.missing_since = time
    end
    return time - followed.missing_since >= MINORITY_TIME and largest(votes, seen_id) or nil
end

--- Follows a cluster from now on.
---@param core resty.etcd.call.client_state.Core
---@param id string
---@param http_host string
local function follow(core, id, http_host)
    local followed = core.cluster
    local floor = core.revision_floor
    if followed.id ~= nil and followed.id ~= id then
        if is_log_due(followed, "") then
            ngx.log(
                ngx.WARN,
                "cluster ",
                printable.key(followed.id),
                ": replaced by cluster ",
                printable.key(id),
                " of ",
                masked_url.mask(http_host)
            )
        end
        if floor ~= nil then
            monotonic.reset(floor)
        end
    end
    followed.id = id
    followed.member = http_host
    followed.missing_since = nil
end

--- Takes the endpoints of other clusters out of use for a while.
---@param core resty.etcd.call.client_state.Core
---@param answers resty.etcd.call.cluster.Answers
local function report_strays(core, answers)
    local followed = core.cluster
    for host, id in pairs(answers.ids) do
        if id ~= followed.id then
            balancer.report_other_cluster(core, host)
            if is_log_due(followed, host) then
                local err = errors.other_cluster(
                    id,
                    masked_url.mask(host),
                    followed
                )
                ngx.log(
                    ngx.WARN,
                    "endpoint ",
                    errors.to_text(err),
                    "; not used for the time being"
                )
            end
        end
    end
end

--- Asks all endpoints of which cluster they are, and decides which cluster to follow.
---@param core resty.etcd.call.client_state.Core
---@param seen_id string
---@param seen_host string
local function poll(core, seen_id, seen_host)
    local followed = core.cluster
    local run = single_flight.start(followed.polls, POLL_TIME * 2)
    local answers = ask_all(core, seen_id, seen_host)
    if answers ~= nil then
        local chosen = choose(core, answers, seen_id)
        if chosen ~= nil then
            follow(
                core,
                chosen,
                host_of(answers, chosen)
            )
            report_strays(core, answers)
        elseif is_log_due(followed, followed.id) then
            local other = printable.of(masked_url.mask(seen_host) .. " is of cluster " .. seen_id)
            local id = printable.key(followed.id)
            ngx.log(
                ngx.WARN,
                "cluster ",
                id,
                ": no endpoint is of it, but ",
                other,
                "; asking again"
            )
        end
        followed.next_poll_at = now() + MIN_POLL_INTERVAL
    end
    single_flight.finish(followed.polls, run, true)
end

--- Reports whether a reply is of the cluster that the client follows. In doubt all endpoints are asked.
---@param core resty.etcd.call.client_state.Core
---@param id string
---@param http_host string
---@return boolean
local function accepts(core, id, http_host)
    local followed = core.cluster
    if followed.id == id then
        followed.member = http_host
        followed.missing_since = nil
        return true
    end
    if #core.endpoints < 2 then
        follow(core, id, http_host)
        return true
    end
    if not phases.can_wait() then
        return followed.id == nil
    end
    local running = single_flight.running(followed.polls)
    if running ~= nil then
        single_flight.wait_for(running, nil)
    elseif followed.id == nil or now() >= followed.next_poll_at then
        poll(core, id, http_host)
    end
    return core.cluster.id == nil or core.cluster.id == id
end

--- Reports whether a reply is of the cluster that the client follows. One that does not say so counts as such.
---@param core resty.etcd.call.client_state.Core
---@param reply resty.etcd.transport.transport.Reply
---@param options resty.etcd.call.attempt.CallOptions
---@return boolean
local function accepts_reply(core, reply, options)
    local id = id_of(reply.body)
    return id == nil or accepts(core, id, options.answered_by)
end

--- Returns the error for a reply that `accepts_reply` does not accept.
---@param core resty.etcd.call.client_state.Core
---@param reply resty.etcd.transport.transport.Reply
---@param options resty.etcd.call.attempt.CallOptions
---@return resty.etcd.protocol.errors.EtcdError
local function error_of(core, reply, options)
    return errors.other_cluster(
        id_of(reply.body),
        options.answered_by,
        core.cluster
    )
end

--- Performs a read at the cluster that the client follows: the reply of another one is dropped, and a member of the
--- followed one is asked.
---@param core resty.etcd.call.client_state.Core
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param request table
---@param options resty.etcd.call.attempt.CallOptions `prefer` can be changed; `answered_by` is the endpoint of the reply
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function read(core, rpc, request, options)
    local left = #core.endpoints
    while true do
        local reply, err, error_reply = call.unary(core, rpc, request, options)
        if reply == nil then
            return nil, err, error_reply
        end
        if accepts_reply(core, reply, options) then
            return reply
        end
        left = left - 1
        if left < 1 then
            return nil, error_of(core, reply, options)
        end
        options.prefer = core.cluster.member
    end
end

--- Reports whether an endpoint is of another cluster than the one that the client follows. It is asked for that: error
--- responses do not say it.
---@param core resty.etcd.call.client_state.Core
---@param http_host string?
---@return boolean
local function is_stray(core, http_host)
    for ____, endpoint in ipairs(core.endpoints) do
        if endpoint.http_host == http_host and #core.endpoints > 1 then
            local options = {timeout = POLL_TIME, quiet = true, at = endpoint}
            local reply = call.unary(core, rpcs.status, {}, options)
            return reply ~= nil and not accepts_reply(core, reply, options)
        end
    end
    return false
end

local function create()
    return {
        id = nil,
        member = nil,
        missing_since = nil,
        next_poll_at = 0,
        polls = single_flight.new(),
        next_log_at = {}
    }
end
_M.accepts = accepts
_M.accepts_reply = accepts_reply
_M.new = create
_M.error_of = error_of
_M.id_of = id_of
_M.is_stray = is_stray
_M.read = read

return _M
