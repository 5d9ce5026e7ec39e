-- The three members of the bed's cluster: status, signals, leadership, users.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local clock = require "resty.etcd.base.clock"
local health_check = require "resty.etcd.health_check"
local process = require "fault.process"
local wire = require "spec.support.wire"

local cluster = {
    names = {}, url = {}, root = { user = "root", password = "root" }, login = { name = "root", password = "root" },
}

for _, member in ipairs(bed.cluster.members) do
    cluster.names[#cluster.names + 1] = member.name
    cluster.url[member.name] = member.http
end

-- Waits until `check()` is true, and returns its result. Throws an error after `seconds` (default 20).
function cluster.wait(what, check, seconds)
    local deadline = clock.now() + (seconds or 20)
    while true do
        local result = check()
        if result then
            return result
        end
        assert(clock.now() < deadline, "no " .. what)
        ngx.sleep(0.01)
    end
end

-- POSTs as root, with a token if the member requires one. Returns the HTTP status and the decoded response, or nil.
local function post_as_root(name, path, body, seconds)
    local base, text = cluster.url[name], cjson.encode(body)
    local status, answer = wire.exchange(base, "POST", path, text, seconds, cluster.token)
    if status and status >= 400 and status < 500 then
        local _, login = wire.exchange(base, "POST", "/v3/auth/authenticate", cjson.encode(cluster.login), seconds)
        cluster.token = (cjson.decode(login or "") or {}).token
        status, answer = wire.exchange(base, "POST", path, text, seconds, cluster.token)
    end
    return status, status and cjson.decode(answer)
end

-- Returns the status of a member, or nil if it does not respond within 0.5 s.
function cluster.status(name)
    local status, answer = post_as_root(name, "/v3/maintenance/status", {}, 0.5)
    return status == 200 and answer or nil
end

-- Sends KILL, STOP or CONT, and waits until the signal has taken effect. Returns false if the member does not run.
function cluster.signal(name, signal)
    local record = cjson.decode(process.read(("%s/members/%s.json"):format(bed.dir, name)))
    local done = process.signal(record.pid, "--name=" .. name, signal)
    if done and signal == "KILL" then
        cluster.wait("end of " .. name, function() return process.has_ended(record.pid, "--name=" .. name) end)
    elseif done and signal == "STOP" then
        cluster.wait("stop of " .. name, function() return process.is_stopped(record.pid) end)
    end
    return done
end

function cluster.restart(...)
    local ok, output = process.run("node", "tools/bed.mjs", "restart", "--dir", bed.dir, ...)
    assert(ok, output)
end

-- Returns the name of the leader on which these members (default all) agree, or nil if they disagree.
function cluster.leader(names)
    local leader_id, leader
    for _, name in ipairs(names or cluster.names) do
        local status = cluster.status(name)
        if not status or not status.leader or status.leader ~= (leader_id or status.leader) then
            return nil
        end
        leader_id = status.leader
        if status.header.member_id == leader_id then
            leader = name
        end
    end
    return leader
end

function cluster.wait_for_leader(names)
    return cluster.wait("leader", function() return cluster.leader(names) end)
end

-- Returns the names of all members except `name`.
function cluster.others(name)
    local others = {}
    for _, other in ipairs(cluster.names) do
        if other ~= name then
            others[#others + 1] = other
        end
    end
    return others
end

-- Transfers the leadership to a member. Returns false if etcd rejects the transfer or the member does not respond.
function cluster.hand_over(from, to)
    local target = cluster.status(to)
    if not target then
        return false
    end
    local path = "/v3/maintenance/transfer-leadership"
    return post_as_root(from, path, { targetID = target.header.member_id }, 5) == 200
end

-- Waits until all members have applied the same raft index.
local function wait_applied()
    cluster.wait("agreement", function()
        local applied
        for _, name in ipairs(cluster.names) do
            local status = cluster.status(name)
            if not status or status.raftAppliedIndex ~= (applied or status.raftIndex) then
                return false
            end
            applied = status.raftAppliedIndex
        end
        return true
    end)
end

-- Runs a request as root, which must succeed, and waits until all members have applied it: a member that is still
-- applying it would reject tokens issued meanwhile.
function cluster.admin(path, body)
    local status, answer = post_as_root(cluster.names[1], path, body, 15)
    assert(status == 200, path .. ": " .. tostring(cjson.encode(answer)))
    wait_applied()
    return answer
end

function cluster.auth_is_on()
    local _, answer = post_as_root(cluster.names[1], "/v3/auth/authenticate", cluster.login, 15)
    return answer.token ~= nil
end

-- Adds a user with the role root.
function cluster.add_user(user, password)
    cluster.admin("/v3/auth/user/add", { name = user, password = password })
    cluster.admin("/v3/auth/user/grant", { user = user, role = "root" })
end

function cluster.enable_auth()
    cluster.admin("/v3/auth/role/add", { name = "root" })
    cluster.add_user(cluster.root.user, cluster.root.password)
    cluster.admin("/v3/auth/enable", {})
end

-- Disables authentication if it is enabled, and deletes all users and roles.
function cluster.disable_auth()
    if cluster.auth_is_on() then
        cluster.admin("/v3/auth/disable", {})
    end
    for _, user in ipairs(cluster.admin("/v3/auth/user/list", {}).users or {}) do
        cluster.admin("/v3/auth/user/delete", { name = user })
    end
    for _, role in ipairs(cluster.admin("/v3/auth/role/list", {}).roles or {}) do
        cluster.admin("/v3/auth/role/delete", { role = role })
    end
end

-- Ends the bans of these hosts, by reporting a failure with a fail_timeout of 0.
function cluster.forgive(hosts)
    local conf = health_check.conf
    assert(health_check.init { fail_timeout = 0 })
    for _, host in ipairs(hosts) do
        health_check.report_failure(host)
    end
    health_check.conf = conf
end

-- Restores the cluster: all members run and agree on a leader, and authentication is disabled.
function cluster.heal()
    local dead = {}
    for _, name in ipairs(cluster.names) do
        if not cluster.signal(name, "CONT") then
            dead[#dead + 1] = name
        end
    end
    if #dead > 0 then
        cluster.restart(unpack(dead))
    end
    cluster.wait_for_leader()
    for _, name in ipairs(cluster.names) do
        -- a member that was stopped can serve reads later than it knows the leader
        cluster.wait("response of " .. name, function()
            return post_as_root(name, "/v3/kv/range", { key = "AA==" }, 1) == 200
        end)
    end
    cluster.disable_auth()
end

return cluster
