-- Compares the events of a watcher with those of an independent reader: the compatible watch of one member, from a given
-- revision on, without the code that resumes watches.
local bed = require "spec.support.bed"

local recorder = {}

-- Returns the batches of a watcher up to the one with an event of the key `last`.
function recorder.take(watcher, last, seconds)
    local batches = {}
    local deadline = ngx.now() + (seconds or 20)
    while true do
        local batch, err = watcher:next(math.max(0, deadline - ngx.now()))
        if not batch then
            error(("after %d batches: %s (%s)"):format(#batches, tostring(err), watcher:state()), 2)
        end
        batches[#batches + 1] = batch
        for _, event in ipairs(batch.events) do
            if event.kv.key == last then
                return batches
            end
        end
    end
end

-- Returns the events of the independent reader from `start_revision` up to the key `last`, grouped by revision.
function recorder.truth(http_host, prefix, start_revision, last)
    local cli = assert(bed.new { http_host = http_host, timeout = 20, serializer = "raw" })
    local read = assert(cli:watchdir(prefix, { start_revision = start_revision, prev_kv = true, timeout = 20 }))
    local groups = {}
    while true do
        local reply = assert(read()).result
        assert(not reply.canceled, "the independent reader has lost its revisions")
        for _, event in ipairs(reply.events or {}) do
            local group = groups[#groups]
            local revision = tonumber(event.kv.mod_revision)
            if not group or group.revision ~= revision then
                group = { revision = revision, events = {} }
                groups[#groups + 1] = group
            end
            group.events[#group.events + 1] = event
            if event.kv.key == last then
                return groups
            end
        end
    end
end

local function describe_event(event)
    local kv, prev = event.kv, event.prev_kv
    local value = event.type ~= "DELETE" and "=" .. tostring(kv.value) or ""
    return ("%s %s%s was %s"):format(event.type or "PUT", kv.key, value,
        prev and ("%s at %s"):format(tostring(prev.value), prev.mod_revision) or "nothing")
end

local function describe_batch(batch)
    local lines = { ("revision %d"):format(batch.revision) }
    for _, event in ipairs(batch.events) do
        lines[#lines + 1] = describe_event(event)
    end
    return table.concat(lines, "; ")
end

-- Asserts that the batches have the same revisions, events and previous values. The watcher needs `prev_kv` and `raw`.
function recorder.assert_same(truth, batches)
    for i = 1, math.max(#truth, #batches) do
        local expected = truth[i] and describe_batch(truth[i]) or "nothing"
        local actual = batches[i] and describe_batch(batches[i]) or "nothing"
        if expected ~= actual then
            error(("batch %d of %d: etcd has %s, the watcher returned %s"):format(i, #truth, expected, actual), 2)
        end
    end
end

-- Applies events to `keys`, a table of values by key.
function recorder.apply(keys, batch)
    for _, event in ipairs(batch.events) do
        keys[event.kv.key] = event.type == "PUT" and event.kv.value or nil
    end
end

-- Reads all keys with a prefix from etcd. Returns a table of values by key.
function recorder.read(cli, prefix)
    local keys = {}
    for _, kv in ipairs(assert(cli:readdir(prefix)).body.kvs or {}) do
        keys[kv.key] = kv.value
    end
    return keys
end

return recorder
