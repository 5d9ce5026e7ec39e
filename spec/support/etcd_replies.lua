-- Responses of etcd to reads and watches, for a scripted server (spec/support/scripted_server.lua).
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"

local _M = {}

local b64 = ngx.encode_base64
local HEADER = { cluster_id = "7", member_id = "8", raft_term = "2" }

-- Returns the header of a response; `more` overrides fields.
function _M.header(revision, more)
    local all = { revision = revision and tostring(revision) }
    for name, value in pairs(HEADER) do
        all[name] = value
    end
    for name, value in pairs(more or {}) do
        all[name] = value
    end
    return all
end

local events_by_key = {}

-- Returns a put event. `_M.state` knows it from then on.
function _M.put(revision, key, value)
    local kv = {
        key = b64(key), value = b64('"' .. (value or "v") .. '"'), mod_revision = tostring(revision),
        create_revision = "1", version = "1",
    }
    local known = events_by_key[key] or {}
    events_by_key[key] = known
    known[#known + 1] = kv
    return { kv = kv }
end

-- Returns the `kvs` of a read of one key at a revision, according to the put events so far; nil for other reads.
function _M.state(request)
    local latest, latest_revision = nil, 0
    for _, kv in ipairs(not request.range_end and events_by_key[ngx.decode_base64(request.key)] or {}) do
        local revision = tonumber(kv.mod_revision)
        if revision >= latest_revision and revision <= tonumber(request.revision or 0) then
            latest, latest_revision = kv, revision
        end
    end
    return latest and { latest }
end

-- Forgets the put events so far.
function _M.forget()
    events_by_key = {}
end

-- Returns a response of a watch, as a chunk.
function _M.line(result)
    return fake.chunk(cjson.encode { result = result } .. "\n")
end

-- Returns the response head of a watch and its `created` response.
function _M.created(revision)
    return fake.CHUNKED .. _M.line { header = _M.header(revision), created = true }
end

-- Returns a response of a watch with events, as a chunk.
function _M.events(revision, ...)
    return _M.line { header = _M.header(revision), events = { ... } }
end

-- Returns the response to a read.
function _M.read(revision, kvs)
    return fake.reply(cjson.encode { header = _M.header(revision), kvs = kvs, count = kvs and tostring(#kvs) or nil })
end

return _M
