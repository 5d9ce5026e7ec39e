-- Generated from src/resty/etcd/discovery/peers.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local match = string.match
local sort = table.sort

--- An instance of a service, as `peers` returns it.
---@class resty.etcd.discovery.peers.Peer
---@field service string
---@field id string
---@field host string
---@field port number
---@field weight number
---@field meta any

--- What the methods of a discovery read.
---@class resty.etcd.discovery.peers.Lists
---@field mirror resty.etcd.mirror.mirror.Mirror Serves the reads.
---@field cache table Instances by the kvs that they were made from. Weak: an entry lasts as long as the mirror keeps these kvs.
---@field listed resty.etcd.mirror.types.Kv[]? The kvs that `listed_services` was made from.
---@field listed_services string[]

--- The instances of a service that has none.
local NO_PEERS = {}

--- Checks the name of a service. Returns an error text, or nil.
---@param service any
---@return string?
local function check_service(service)
    local is_name = type(service) == "string" and (match(service, "^[^/]+$")) ~= nil
    local ____is_name_0
    if is_name then
        ____is_name_0 = nil
    else
        ____is_name_0 = "service must be a name without /"
    end
    return ____is_name_0
end

--- Returns the instances of a service. The array stays the same table until the service changes.
---@param self resty.etcd.discovery.peers.Lists
---@param service string
---@return resty.etcd.discovery.peers.Peer[]? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function peers(self, service)
    if type(service) ~= "string" then
        return errors.bad_request("service must be a name without /")
    end
    local kvs, err, details = self.mirror:by("service", service)
    if kvs == nil then
        return nil, err, details
    end
    if #kvs == 0 then
        return NO_PEERS
    end
    local list = self.cache[kvs]
    if list == nil then
        list = {}
        for ____, kv in ipairs(kvs) do
            list[#list + 1] = kv.value
        end
        self.cache[kvs] = list
    end
    return list
end

--- Returns the names of all services that have instances, sorted, in an array that must not be written to.
---@param self resty.etcd.discovery.peers.Lists
---@return string[]? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function services(self)
    local kvs, err, details = self.mirror:all()
    if kvs == nil then
        return nil, err, details
    end
    if self.listed ~= kvs then
        local names = {}
        local known = {}
        for ____, kv in ipairs(kvs) do
            local service = kv.value.service
            if known[service] ~= true then
                known[service] = true
                names[#names + 1] = service
            end
        end
        sort(names)
        self.listed = kvs
        self.listed_services = names
    end
    return self.listed_services
end
_M.check_service = check_service
_M.peers = peers
_M.services = services

return _M
