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

-- Returns a put event.
function _M.put(revision, key, value)
    local kv = {
        key = b64(key), value = b64('"' .. (value or "v") .. '"'), mod_revision = tostring(revision),
        create_revision = "1", version = "1",
    }
    return { kv = kv }
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
