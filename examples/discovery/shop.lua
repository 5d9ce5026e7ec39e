-- Service discovery: the servers of this nginx are registered in etcd, and balancer_by_lua finds them there.
local balancer = require "ngx.balancer"
local discovery = require "resty.etcd.discovery"
local etcd = require "resty.etcd"

local _M = {}
local cli, services
local mine = {}

-- For init_worker_by_lua.
function _M.start(opts)
    cli = assert(etcd.new(opts))
    services = assert(discovery.new(cli))
end

function _M.enter(id, port, weight)
    mine[id] = assert(discovery.register(cli, "shop", { id = id, host = "127.0.0.1", port = port, weight = weight }, { ttl = 3 }))
end

function _M.leave(id)
    mine[id]:close()
end

-- Returns a random peer, with a probability in proportion to its weight.
local function pick(peers)
    local sum = 0
    for _, peer in ipairs(peers) do
        sum = sum + peer.weight
    end
    local at = math.random() * sum
    for _, peer in ipairs(peers) do
        at = at - peer.weight
        if at <= 0 and peer.weight > 0 then
            return peer
        end
    end
end

-- For balancer_by_lua.
function _M.balance()
    local peer = pick(services:peers("shop") or {})
    if not peer then
        return ngx.exit(503)
    end
    assert(balancer.set_current_peer(peer.host, peer.port))
end

return _M
