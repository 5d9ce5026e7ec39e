-- Routes of a gateway: read from etcd once, at one revision, then updated by a watch that starts at the next revision.
-- Requests find their route in a Lua table and never wait for etcd.
--
--   /routes/<anything>  ->  {"path": "/shop", "upstream": "127.0.0.1:8081"}
local etcd = require "resty.etcd"

local ngx = ngx
local PREFIX = "/routes/"

local _M = {}

local by_key = {} -- routes by key in etcd
local sorted = {} -- the same routes, longest path first

local function is_route(route)
    return type(route) == "table" and type(route.path) == "string" and type(route.upstream) == "string"
end

-- Applies a route. An invalid one is logged, and the previous one is kept.
local function apply(kv)
    if is_route(kv.value) then
        by_key[kv.key] = kv.value
    else
        ngx.log(ngx.WARN, "not a route, ignored: ", kv.key)
    end
end

local function publish()
    local list = {}
    for _, route in pairs(by_key) do
        list[#list + 1] = route
    end
    table.sort(list, function(a, b) return #a.path > #b.path end)
    sorted = list
end

-- Reads all routes. Returns the revision from which to watch.
local function load_all(cli)
    local res, err = cli:readdir(PREFIX)
    if not res then
        return nil, err
    end
    if res.status ~= 200 then
        return nil, res.body.error
    end
    by_key = {}
    for _, kv in ipairs(res.body.kvs or {}) do
        apply(kv)
    end
    publish()
    return tonumber(res.body.header.revision) + 1
end

-- Applies changes until the watch ends. Returns the revision from which to continue, or nil if all must be read again.
local function follow(cli, revision)
    local read, err = cli:watchdir(PREFIX, { start_revision = revision, timeout = 60 })
    while read do
        local reply
        reply, err = read()
        local result = reply and reply.result
        if not result or result.canceled then
            break
        end
        for _, event in ipairs(result.events or {}) do
            if event.type == "DELETE" then
                by_key[event.kv.key] = nil
            else
                apply(event.kv)
            end
            revision = tonumber(event.kv.mod_revision) + 1
        end
        if result.events then
            publish()
        end
    end
    return (err == "timeout" or err == "closed") and revision or nil
end

local function run(premature, cli)
    local revision
    while not premature and not ngx.worker.exiting() do
        if revision then
            revision = follow(cli, revision)
        else
            local err
            revision, err = load_all(cli)
            if not revision then
                ngx.log(ngx.WARN, "routes not read: ", err)
                ngx.sleep(1)
            end
        end
    end
end

-- For init_worker_by_lua.
function _M.start(opts)
    return ngx.timer.at(0, run, assert(etcd.new(opts)))
end

-- For access_by_lua. Returns the upstream for a path, or nil if no route matches.
function _M.upstream(path)
    for _, route in ipairs(sorted) do
        if path:sub(1, #route.path) == route.path then
            return route.upstream
        end
    end
end

return _M
