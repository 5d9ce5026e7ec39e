-- A feed whose batches come from a spec instead of etcd, and a mirror that reads from it.
--
--   local feed = scripted.new()
--   local m = feed:mirror("/a/", opts)
--   feed:full(10, { "/a/1", "1", 3 })     -- revision, then key, value and mod_revision of each item
--   feed:put(11, "/a/1", "2")
local clock = require "resty.etcd.base.clock"
local errors = require "resty.etcd.protocol.errors"
local mirrors = require "resty.etcd.mirror.mirror"
local semaphore = require "ngx.semaphore"

local _M = {}
local methods = {}
local mt = { __index = methods }

function _M.new()
    return setmetatable({ queue = {}, ready = assert(semaphore.new(0)), last_received_at = clock.now(), opened = 0 }, mt)
end

function _M.kv(key, value, mod_revision, create_revision)
    return {
        key = key, value = value, mod_revision = tostring(mod_revision),
        create_revision = tostring(create_revision or mod_revision),
        version = tostring(mod_revision - (create_revision or mod_revision) + 1),
    }
end

-- The interface of feeds: next, age, close.
function methods:next(timeout)
    if self.closed then
        return nil, errors.local_error("closed", "closed")
    end
    if not self.ready:wait(timeout or 60) then
        return nil, errors.local_error("timeout", "timeout")
    end
    local item = table.remove(self.queue, 1)
    if item.err then
        return nil, item.err
    end
    return item
end

function methods:age()
    return clock.now() - self.last_received_at
end

function methods:close()
    self.closed = true
end

function methods:deliver(item)
    self.queue[#self.queue + 1] = item
    self.ready:post(1)
end

function methods:full(revision, ...)
    self:state("list", revision, ...)
end

function methods:state(reason, revision, ...)
    local kvs = {}
    for i, item in ipairs { ... } do
        kvs[i] = _M.kv(unpack(item))
    end
    self:deliver { revision = revision, events = {}, full = kvs, reason = reason }
end

-- Delivers the events of one revision: {key, value} is a put, {key} a deletion.
function methods:events(revision, ...)
    local events = {}
    for i, item in ipairs { ... } do
        if item[2] then
            events[i] = { type = "PUT", kv = _M.kv(item[1], item[2], revision, item[3]) }
        else
            events[i] = { type = "DELETE", kv = { key = item[1], mod_revision = tostring(revision) } }
        end
    end
    self:deliver { revision = revision, events = events }
end

function methods:put(revision, key, value, create_revision)
    self:events(revision, { key, value, create_revision })
end

function methods:delete(revision, key)
    self:events(revision, { key })
end

function methods:fail(name, message)
    self:deliver { err = errors.local_error(name, message or name) }
end

-- Returns a client with the fields that a mirror needs.
function _M.client(key_prefix)
    return { key_prefix = key_prefix or "", serializer = require "resty.etcd.serializers.json" }
end

function methods:mirror(dir, opts, cli)
    return mirrors.new(cli or _M.client(), dir, opts, function()
        self.opened, self.closed = self.opened + 1, nil
        return self
    end)
end

-- Waits until the mirror is at a revision; 5 seconds by default.
function _M.at(m, revision, seconds)
    local stop = clock.now() + (seconds or 5)
    while m:revision() < revision and clock.now() < stop do
        ngx.sleep(0.001)
    end
    assert(m:revision() >= revision, "the mirror is at revision " .. m:revision() .. " only")
end

-- Returns the keys of kvs, separated by spaces.
function _M.keys(list)
    local keys = {}
    for i, kv in ipairs(list) do
        keys[i] = kv.key
    end
    return table.concat(keys, " ")
end

return _M
