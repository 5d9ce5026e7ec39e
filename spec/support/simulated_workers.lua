-- Several workers in one process: each has its own hub and sees the shared dict through a door of its own, which can be
-- shut at any operation. A worker behind a shut door stands still, as one that was stopped or killed.
local feeds = require "resty.etcd.shared_log.log_feed"
local tickers = require "resty.etcd.shared_log.poll_timer"

local _M = {}

-- An etcd to read from: `history:put(key, value)`, `:delete(key)`, `:compact()`, `:restore()`; `history.open` is what
-- a hub opens its source with. `opened`, `open` and `lists` count sources, `most_open` is the most at one time.
function _M.history()
    local self = {
        revision = 1, events = {}, kvs = {}, first = 2, cluster = "77", opened = 0, open_now = 0, most_open = 0,
        lists = 0, history = 1,
    }

    local function add(event)
        self.revision = self.revision + 1
        event.kv.mod_revision = tostring(self.revision)
        self.events[self.revision] = event
    end

    function self.put(_, key, value)
        local old = self.kvs[key]
        local kv = {
            key = key, value = value, create_revision = old and old.create_revision or tostring(self.revision + 1),
            version = tostring(old and old.version + 1 or 1),
        }
        add { type = "PUT", kv = kv }
        self.kvs[key] = kv
    end

    function self.delete(_, key)
        add { type = "DELETE", kv = { key = key } }
        self.kvs[key] = nil
    end

    -- what came before is gone
    function self.compact()
        self.first = self.revision + 1
    end

    -- as it was some revisions ago, and another cluster from there on
    function self.restore(_, kvs, revision)
        self.history, self.revision, self.kvs = self.history + 1, revision, kvs
        self.first, self.events, self.cluster = revision + 1, {}, self.cluster .. "0"
    end

    function self.full()
        local all = {}
        for _, kv in pairs(self.kvs) do
            all[#all + 1] = kv
        end
        table.sort(all, function(a, b) return a.key < b.key end)
        return all
    end

    function self.open(from, cluster)
        self.opened, self.open_now = self.opened + 1, self.open_now + 1
        self.most_open = math.max(self.most_open, self.open_now)
        local source, position, history = {}, from and from - 1, self.history
        local reason = not from and "list" or cluster and cluster ~= self.cluster and "restored"

        function source.next(_, timeout)
            local stop = ngx.now() + timeout
            repeat
                if source.closed then
                    return nil, { name = "closed", message = "closed" }
                elseif self.failure then
                    return nil, self.failure
                end
                if history ~= self.history then
                    history, reason = self.history, "restored"
                elseif position and position + 1 < self.first then
                    reason = reason or "compacted"
                end
                if reason and not self.away then
                    local batch = { revision = self.revision, events = {}, full = self.full(), reason = reason }
                    position, reason, self.lists = self.revision, nil, self.lists + 1
                    return batch
                elseif position and position < self.revision and not self.away then
                    position = position + 1
                    return { revision = position, events = { self.events[position] } }
                end
                ngx.sleep(0.001)
            until ngx.now() >= stop
            return nil, { name = "timeout", message = "timeout" }
        end

        function source.close()
            if not source.closed then
                source.closed, self.open_now = true, self.open_now - 1
            end
        end

        function source.age()
            return self.away or 0.125
        end

        function source.cluster_id()
            return self.cluster
        end

        return source
    end

    return self
end

-- A door to a dict. `door.hook(n, name, key)` is called before each operation; while `door.shut` nothing goes through.
function _M.door(dict)
    local door = { count = 0 }
    for _, name in ipairs { "get", "safe_add", "safe_set", "incr", "delete", "ttl" } do
        door[name] = function(_, key, ...)
            door.count = door.count + 1
            if door.hook then
                door.hook(door.count, name, key)
            end
            while door.shut do
                ngx.sleep(0.005)
            end
            return dict[name](dict, key, ...)
        end
    end
    function door.free_space()
        return dict:free_space()
    end
    return door
end

-- A worker with one reader, which takes in and checks all that it is given. Fields: state (value by key), revision, events,
-- full (how often by reason), wrong (what was against the rules).
function _M.worker(dict, history, base)
    local self = { door = _M.door(dict), state = {}, revision = 0, events = 0, full = {}, wrong = {} }
    local function open(from, cluster)
        local source = history.open(from, cluster)
        self.sources = self.sources or {}
        table.insert(self.sources, source)
        return source
    end
    self.coordinator = feeds.new_coordinator(self.door, base, open, 0.5)
    self.feed = assert(feeds.attach(tickers.new(0.002), self.coordinator))

    local function take(batch)
        if batch.full then
            self.full[batch.reason] = (self.full[batch.reason] or 0) + 1
            if batch.revision < self.revision and batch.reason ~= "restored" then
                table.insert(self.wrong, "full state of " .. batch.revision .. " after " .. self.revision)
            end
            self.state = {}
            local last
            for _, kv in ipairs(batch.full) do
                self.state[kv.key] = kv
                if last and kv.key <= last then
                    table.insert(self.wrong, kv.key .. " is out of order")
                end
                last = kv.key
            end
        else
            -- here, each revision has one event
            if batch.revision ~= self.revision + 1 then
                table.insert(self.wrong, batch.revision .. " after " .. self.revision)
            end
            for _, event in ipairs(batch.events) do
                self.events = self.events + 1
                self.state[event.kv.key] = event.type == "PUT" and event.kv or nil
            end
        end
        self.revision = batch.revision
    end

    self.thread = ngx.thread.spawn(function()
        while true do
            local batch, err = self.feed:next(0.5)
            if batch then
                take(batch)
            elseif err.name ~= "timeout" then
                self.err = err
                return
            end
        end
    end)

    -- stands still from now on, or from operation `n` on from now
    function self.stop(_, n)
        if not n then
            self.door.shut = true
            return
        end
        local at = self.door.count + n
        self.door.hook = function(count)
            if count >= at then
                self.door.shut, self.door.hook = true, nil
            end
        end
    end

    function self.go_on()
        self.door.shut, self.door.hook = false, nil
    end

    -- gone for ever
    function self.kill(_, n)
        self:stop(n)
        self.killed = true
    end

    -- what the kernel does for a killed one
    function self.bury()
        for _, source in ipairs(self.sources or {}) do
            source.close()
        end
    end

    function self.close()
        self.feed:close()
    end

    function self.is_writer()
        return self.coordinator.writer ~= nil
    end

    return self
end

function _M.writer_of(workers)
    for _, worker in ipairs(workers) do
        if worker.is_writer() and not worker.door.shut then
            return worker
        end
    end
end

function _M.eventually(check, seconds)
    local stop = ngx.now() + (seconds or 5)
    while not check() and ngx.now() < stop do
        ngx.sleep(0.002)
    end
    return not not check()
end

-- Nil if the worker has what the history has; what differs otherwise.
function _M.difference(worker, history)
    if #worker.wrong > 0 then
        return table.concat(worker.wrong, "; ")
    end
    if worker.revision ~= history.revision then
        return "at revision " .. worker.revision .. ", not " .. history.revision
    end
    for key, kv in pairs(history.kvs) do
        local got = worker.state[key]
        if not got then
            return key .. " is missing"
        end
        for _, name in ipairs { "value", "create_revision", "mod_revision", "version", "lease" } do
            if got[name] ~= kv[name] then
                return ("%s: %s is %s, not %s"):format(key, name, got[name], kv[name])
            end
        end
    end
    for key in pairs(worker.state) do
        if not history.kvs[key] then
            return key .. " should not be there"
        end
    end
end

-- Waits until all workers have what the history has; returns what differs at last, if anything.
function _M.settle(workers, history, seconds)
    local function check()
        for i, worker in ipairs(workers) do
            local difference = not worker.door.shut and _M.difference(worker, history)
            if difference then
                return i .. ": " .. difference
            end
        end
    end
    _M.eventually(function() return not check() end, seconds)
    return check()
end

return _M
