-- Compares the outcomes that the driver reported for writes with the history in etcd.
--
-- A write is {value, res, err, details}: a value that no other write has, and the driver's results. The history of the key
-- is read without the driver.
local cjson = require "cjson.safe"
local wire = require "spec.support.wire"

local history = {}

-- Returns all writes to `key` as {value, revision, version}, oldest first.
function history.read(base, key)
    local events = {}
    local name = ngx.encode_base64(key)
    local status, answer = wire.post(base, "/v3/kv/range", { key = name })
    assert(status == 200, cjson.encode(answer))
    local last = answer.kvs and answer.kvs[1]
    if not last then
        return events
    end
    wire.stream(base, "/v3/watch", { create_request = { key = name, start_revision = last.create_revision } },
        function(line)
            assert(line.result and not line.result.canceled, cjson.encode(line))
            for _, event in ipairs(line.result.events or {}) do
                local kv = event.kv
                events[#events + 1] = {
                    value = ngx.decode_base64(kv.value), revision = kv.mod_revision, version = tonumber(kv.version),
                }
            end
            return #events > 0 and events[#events].revision == last.mod_revision
        end)
    return events
end

-- Returns the outcome that the driver reported: "done", "not done", "unknown", or nil if the error has no details.
function history.outcome(write)
    local res, details = write.res, write.details
    if res then
        local done = res.status == 200 and (not write.conditional or res.body.succeeded)
        return done and "done" or "not done"
    elseif type(write.err) == "string" and type(details) == "table" and type(details.name) == "string" then
        return details.maybe_applied and "unknown" or "not done"
    end
end

-- Returns the number of writes by outcome.
function history.count(writes)
    local counts = { ["done"] = 0, ["not done"] = 0, ["unknown"] = 0, untyped = 0 }
    for _, write in ipairs(writes) do
        local outcome = history.outcome(write) or "untyped"
        counts[outcome] = counts[outcome] + 1
    end
    return counts
end

-- Least and greatest number of times that a write can be in the history, by its outcome.
local ALLOWED = { ["done"] = { 1, 1 }, ["not done"] = { 0, 0 }, ["unknown"] = { 0, 1 } }

-- Returns the contradictions between the driver's results and the history, as texts. The key must never be deleted.
function history.violations(writes, events)
    local bad = {}
    local function report(...)
        bad[#bad + 1] = string.format(...)
    end
    local times, revision_of = {}, {}
    for i, event in ipairs(events) do
        times[event.value] = (times[event.value] or 0) + 1
        revision_of[event.value] = event.revision
        if event.version ~= i then
            report("version %d after %d writes", event.version, i)
        end
    end
    for _, write in ipairs(writes) do
        local outcome = history.outcome(write)
        local n = times[write.value] or 0
        local allowed = ALLOWED[outcome]
        if not allowed then
            report("%s: an error without details: %s", write.value, tostring(write.err))
        elseif n < allowed[1] or n > allowed[2] then
            report("%s: %s, but applied %d times: %s", write.value, outcome, n, tostring(write.err))
        elseif outcome == "done" and write.res.body.header.revision ~= revision_of[write.value] then
            report("%s: applied at %s, not at %s", write.value, revision_of[write.value], write.res.body.header.revision)
        end
        times[write.value] = nil
    end
    for value in pairs(times) do
        report("%s: no call wrote it", value)
    end
    return bad
end

return history
