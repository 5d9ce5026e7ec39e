-- Generated from src/resty/etcd/transport/grpc/peer.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Servers that are kept, in addition to those that have a connection.
local MAX_PEERS = 1000

--- Seconds without a byte after which a connection with streams sends PING: etcd ends connections that send more than one in 5 s.
local PING_INTERVAL = 6
local peers = {}
local count = 0

--- Forgets the servers without connection.
local function forget_unused()
    local used = {}
    count = 0
    for name, peer in pairs(peers) do
        if peer.connection ~= nil then
            used[name] = peer
            count = count + 1
        end
    end
    peers = used
end

--- Returns the server at an address.
---@param host string host name, address, or `unix:/path`
---@param port number? nil for a unix socket
---@return resty.etcd.transport.grpc.types.Peer
local function at(host, port)
    local name = port ~= nil and host .. ":" .. tostring(port) or host
    local peer = peers[name]
    if peer == nil then
        if count >= MAX_PEERS then
            forget_unused()
        end
        peer = {
            name = name,
            host = host,
            port = port,
            connection = nil,
            failures = 0,
            next_dial_at = 0,
            last_fault = nil,
            ping_interval = PING_INTERVAL
        }
        peers[name] = peer
        count = count + 1
    end
    return peer
end
_M.at = at

return _M
