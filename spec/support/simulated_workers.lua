-- Several workers in one process. Each has its own coordinator and accesses the shared dict through a proxy that can pause
-- it at any operation, as if the worker process had been stopped or killed there.
local clock = require "resty.etcd.base.clock"
local log_feed = require "resty.etcd.shared_log.log_feed"
local poll_timer = require "resty.etcd.shared_log.poll_timer"

local _M = {}

-- An etcd in memory: `etcd:put(key, value)`, `:delete(key)`, `:compact()`, `:restore(kvs, revision)`. `etcd.open` opens a
-- source, as a coordinator needs it. `opened`, `open_now` and `lists` count sources and full states, `most_open` is the
-- highest `open_now`. While `etcd.is_silent`, sources receive nothing. While `etcd.failure` is set, sources return it as an
-- error; while `etcd.current_error` is set, they report it and stay.
function _M.etcd()
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

    function self.compact()
        self.first = self.revision + 1
    end

    -- Restores an earlier state. The cluster has another ID from then on.
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
        local received_at = clock.now()
        local reason = not from and "list" or cluster and cluster ~= self.cluster and "restored"

        function source.next(_, timeout)
            local stop = ngx.now() + timeout
            repeat
                if source.closed then
                    return nil, { name = "closed", message = "closed" }
                elseif self.failure then
                    return nil, self.failure
                end
                if not self.is_silent then
                    received_at = clock.now()
                end
                if history ~= self.history then
                    history, reason = self.history, "restored"
                elseif position and position + 1 < self.first then
                    reason = reason or "compacted"
                end
                if reason and not self.is_silent then
                    local batch = { revision = self.revision, events = {}, full = self.full(), reason = reason }
                    position, reason, self.lists = self.revision, nil, self.lists + 1
                    return batch
                elseif position and position < self.revision and not self.is_silent then
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
            return clock.now() - received_at
        end

        function source.current_error()
            return self.current_error
        end

        function source.cluster_id()
            return self.cluster
        end

        return source
    end

    return self
end

-- Wraps a dict. `proxy.hook(n, name, key)` is called before operation `n`. While `proxy.paused`, operations block.
function _M.dict_proxy(dict)
    local proxy = { count = 0 }
    for _, name in ipairs { "get", "safe_add", "safe_set", "incr", "delete", "ttl" } do
        proxy[name] = function(_, key, ...)
            proxy.count = proxy.count + 1
            if proxy.hook then
                proxy.hook(proxy.count, name, key)
            end
            while proxy.paused do
                ngx.sleep(0.005)
            end
            return dict[name](dict, key, ...)
        end
    end
    function proxy.free_space()
        return dict:free_space()
    end
    return proxy
end

-- A worker with one reader that checks each batch and applies it. Fields: `state` (kv by key), `revision`, `events` (their
-- number), `full_states` (number by reason), `violations` (texts: what broke the rules of a feed).
function _M.worker(dict, etcd, namespace)
    local self = {
        proxy = _M.dict_proxy(dict), state = {}, revision = 0, events = 0, full_states = {}, violations = {}, sources = {},
    }
    local function open(from, cluster)
        local source = etcd.open(from, cluster)
        table.insert(self.sources, source)
        return source
    end
    self.coordinator = log_feed.new_coordinator(self.proxy, namespace, "/k/", open, 0.5)
    self.feed = assert(log_feed.attach(poll_timer.new(0.002), self.coordinator))

    local function apply(batch)
        if batch.full then
            self.full_states[batch.reason] = (self.full_states[batch.reason] or 0) + 1
            if batch.revision < self.revision and batch.reason ~= "restored" then
                table.insert(self.violations, "full state of " .. batch.revision .. " after " .. self.revision)
            end
            self.state = {}
            local last
            for _, kv in ipairs(batch.full) do
                self.state[kv.key] = kv
                if last and kv.key <= last then
                    table.insert(self.violations, kv.key .. " is out of order")
                end
                last = kv.key
            end
        else
            -- each revision of the etcd above has one event
            if batch.revision ~= self.revision + 1 then
                table.insert(self.violations, batch.revision .. " after " .. self.revision)
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
                apply(batch)
            elseif err.name ~= "timeout" then
                self.err = err
                return
            end
        end
    end)

    -- Pauses the worker, now or at its n-th operation from now.
    function self.pause(_, n)
        if not n then
            self.proxy.paused = true
            return
        end
        local at = self.proxy.count + n
        self.proxy.hook = function(count)
            if count >= at then
                self.proxy.paused, self.proxy.hook = true, nil
            end
        end
    end

    function self.resume()
        self.proxy.paused, self.proxy.hook = false, nil
    end

    -- Closes the worker's sources, as the kernel closes the connections of a killed process.
    function self.close_sources()
        for _, source in ipairs(self.sources) do
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

function _M.find_writer(workers)
    for _, worker in ipairs(workers) do
        if worker.is_writer() and not worker.proxy.paused then
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

-- Returns how the worker differs from etcd, or nil.
function _M.difference(worker, etcd)
    if #worker.violations > 0 then
        return table.concat(worker.violations, "; ")
    end
    if worker.revision ~= etcd.revision then
        return "at revision " .. worker.revision .. ", not " .. etcd.revision
    end
    for key, kv in pairs(etcd.kvs) do
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
        if not etcd.kvs[key] then
            return key .. " must not exist"
        end
    end
end

-- Waits until all workers that are not paused have etcd's state. Returns the last difference, or nil.
function _M.wait_synced(workers, etcd, seconds)
    local function check()
        for i, worker in ipairs(workers) do
            local difference = not worker.proxy.paused and _M.difference(worker, etcd)
            if difference then
                return "worker " .. i .. ": " .. difference
            end
        end
    end
    _M.eventually(function() return not check() end, seconds)
    return check()
end

return _M
