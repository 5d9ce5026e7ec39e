-- What a scripted server (spec/support/scripted_server.lua) says of reads and watches in the place of an etcd.
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"

local _M = {}

local b64 = ngx.encode_base64
local HEADER = { cluster_id = "7", member_id = "8", raft_term = "2" }

-- Of a reply; `more` goes over the fields of a healthy one.
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

-- An event.
function _M.put(revision, key, value)
    local kv = {
        key = b64(key), value = b64('"' .. (value or "v") .. '"'), mod_revision = tostring(revision),
        create_revision = "1", version = "1",
    }
    return { kv = kv }
end

-- A reply in a watch.
function _M.line(result)
    return fake.chunk(cjson.encode { result = result } .. "\n")
end

-- The beginning of a watch.
function _M.created(revision)
    return fake.CHUNKED .. _M.line { header = _M.header(revision), created = true }
end

-- A reply with events.
function _M.events(revision, ...)
    return _M.line { header = _M.header(revision), events = { ... } }
end

-- The answer to a read.
function _M.read(revision, kvs)
    return fake.reply(cjson.encode { header = _M.header(revision), kvs = kvs, count = kvs and tostring(#kvs) or nil })
end

return _M
