-- Generated from src/resty/etcd/endpoint/dns_endpoints.ts by TypeScriptToLua. Do not edit.
local _M = {}
local dns = require("resty.etcd.endpoint.dns")
local endpoint = require("resty.etcd.endpoint.endpoint")
local log = require("resty.etcd.base.log")
local printable = require("resty.etcd.base.printable")
local concat = table.concat
local match = string.match

--- The known addresses of a name.
---@class resty.etcd.endpoint.dns_endpoints.ResolvedName
---@field host string
---@field v4 string[]
---@field v6 string[]
---@field used string[] Addresses in use: the last ones that were not empty.

--- The endpoints of a client as configured, and the addresses of their names.
---@class resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@field nameservers (string|table<number, (string|number)?>)[]
---@field identity string What decides to which addresses names are resolved.
---@field interval number Seconds between lookups.
---@field ipv6 boolean
---@field configured resty.etcd.endpoint.endpoint.Endpoint[] Endpoints from the options, or from etcd's member list.
---@field resolved table By name.
---@field next number Time of the next lookup.
---@field fresh_until number Time until which calls use the known addresses without waiting for a lookup.
---@field lookups resty.etcd.base.single_flight.SingleFlight Lookups of all names; a run is released when each name has an address or an error.

--- The endpoints of a client, and the sources that replace them.
---@class resty.etcd.endpoint.dns_endpoints.EndpointSet: resty.etcd.endpoint.balancer.Ring
---@field is_cluster boolean There is more than one endpoint.
---@field api_prefix string `/v3`, for endpoints from etcd's member list.
---@field dns resty.etcd.endpoint.dns_endpoints.DnsEndpoints? Nil unless the driver resolves names itself.
---@field configured resty.etcd.endpoint.endpoint.Endpoint[] The endpoints that the client was created with.
---@field adopted? resty.etcd.endpoint.endpoint.Endpoint[] The endpoints that the driver has put in their place: from the list of members, or addresses of names.

--- Returns the host of an endpoint if it is a name, or nil for addresses and unix sockets.
---@param configured resty.etcd.endpoint.endpoint.Endpoint
---@return string?
local function name_of(configured)
    local v6 = match(configured.host, "^%[")
    local v4 = match(configured.host, "^%d+%.%d+%.%d+%.%d+$")
    if configured.port == nil or v6 ~= nil or v4 ~= nil then
        return nil
    end
    return configured.host
end

--- Stores configured endpoints and keeps the known addresses of their names.
---@param names resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param configured resty.etcd.endpoint.endpoint.Endpoint[]
local function set_configured(names, configured)
    local resolved = {}
    local has_names = false
    local has_new = false
    for ____, one in ipairs(configured) do
        local host = name_of(one)
        if host ~= nil then
            local known = names.resolved[host]
            resolved[host] = known or ({host = host, v4 = {}, v6 = {}, used = {}})
            has_names = true
            has_new = has_new or known == nil
        end
    end
    names.configured = configured
    names.resolved = resolved
    if not has_names then
        names.next = math.huge
        names.fresh_until = math.huge
    elseif has_new then
        names.next = 0
        names.fresh_until = 0
        names.lookups.latest = nil
    end
end

--- Returns one endpoint per address of each name. An endpoint whose name has no addresses stays unresolved.
---@param names resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param api_prefix string
---@return resty.etcd.endpoint.endpoint.Endpoint[]
local function expand(names, api_prefix)
    local endpoints = {}
    for ____, configured in ipairs(names.configured) do
        local name = names.resolved[configured.host]
        if name == nil or #name.used == 0 then
            endpoints[#endpoints + 1] = configured
        else
            for ____, address in ipairs(name.used) do
                endpoints[#endpoints + 1] = endpoint.at_address(configured, address, api_prefix)
            end
        end
    end
    return endpoints
end

--- Replaces the endpoints of a client, but keeps the tables of unchanged ones: users can have written to them. Pooled
--- connections and health state go by URL.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
local function replace(set, endpoints)
    for i = 1, #endpoints do
        local wanted = endpoints[i]
        for ____, present in ipairs(set.endpoints) do
            if present.http_host == wanted.http_host and present.dns_name == wanted.dns_name then
                endpoints[i] = present
            end
        end
    end
    set.endpoints = endpoints
    set.adopted = endpoints
    set.is_cluster = #endpoints > 1
end

--- Returns the endpoints that the program gave: those of the options, or those that it has written to the client since. They
--- do not change with the list of members and with DNS.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@return resty.etcd.endpoint.endpoint.Endpoint[]
local function given(set)
    return set.endpoints == set.adopted and set.configured or set.endpoints
end

--- Replaces the configured endpoints of a client, and resolves their names if the driver does so.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
local function replace_endpoints(set, endpoints)
    local names = set.dns
    if names == nil then
        replace(set, endpoints)
        return
    end
    set_configured(names, endpoints)
    replace(
        set,
        expand(names, set.api_prefix)
    )
end

--- Stores the result of a DNS query and updates the endpoints. If a name has no addresses any more, the last known ones
--- stay in use.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param names resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param name resty.etcd.endpoint.dns_endpoints.ResolvedName
---@param qtype number `dns.A` or `dns.AAAA`
---@param addresses string[]
local function update_addresses(set, names, name, qtype, addresses)
    if qtype == dns.A then
        name.v4 = addresses
    else
        name.v6 = addresses
    end
    local all = {}
    for ____, address in ipairs(name.v4) do
        all[#all + 1] = address
    end
    for ____, address in ipairs(name.v6) do
        all[#all + 1] = address
    end
    if #all == 0 or concat(all, " ") == concat(name.used, " ") then
        return
    end
    name.used = all
    if log.info_enabled() then
        ngx.log(
            ngx.INFO,
            "addresses of ",
            printable.key(name.host),
            ": ",
            printable.of(concat(all, " "))
        )
    end
    replace(
        set,
        expand(names, set.api_prefix)
    )
end
_M.given = given
_M.name_of = name_of
_M.replace_endpoints = replace_endpoints
_M.update_addresses = update_addresses
_M.set_configured = set_configured

return _M
