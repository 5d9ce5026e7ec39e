-- Generated from src/resty/etcd/endpoint/dns_endpoints.ts by TypeScriptToLua. Do not edit.
local _M = {}
local dns = require("resty.etcd.endpoint.dns")
local endpoint = require("resty.etcd.endpoint.endpoint")
local log = require("resty.etcd.base.log")
local concat = table.concat
local match = string.match

--- What is known of a name.
---@class resty.etcd.endpoint.dns_endpoints.ResolvedName
---@field host string
---@field v4 string[]
---@field v6 string[]
---@field used string[] The last addresses that were any.

--- A client's endpoints by name, and the addresses that take their place.
---@class resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@field nameservers (string|table<number, (string|number)?>)[]
---@field interval number Seconds.
---@field ipv6 boolean
---@field configured resty.etcd.endpoint.endpoint.Endpoint[] As they were configured, or as etcd told of them.
---@field resolved table By name.
---@field next number When the next round is due.
---@field fresh_until number Until then calls do not wait.
---@field lookups resty.etcd.base.single_flight.SingleFlight Lookups of all names; a run is released when each name has an address or an error.

--- A client's endpoints, and what makes others take their place.
---@class resty.etcd.endpoint.dns_endpoints.EndpointSet: resty.etcd.endpoint.balancer.Ring
---@field is_cluster boolean More than one endpoint.
---@field api_prefix string `/v3`, for endpoints that etcd tells of.
---@field dns resty.etcd.endpoint.dns_endpoints.DnsEndpoints? Nil unless names are resolved by the driver.

--- The host of an endpoint if it is a name; nil for addresses and sockets.
---@param one resty.etcd.endpoint.endpoint.Endpoint
---@return string?
local function name_of(one)
    local v6 = match(one.host, "^%[")
    local v4 = match(one.host, "^%d+%.%d+%.%d+%.%d+$")
    if one.port == nil or v6 ~= nil or v4 ~= nil then
        return nil
    end
    return one.host
end

--- Takes over endpoints as they are configured, with what is known of their names.
---@param names resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param configured resty.etcd.endpoint.endpoint.Endpoint[]
local function set_configured(names, configured)
    local known = {}
    local has_names = false
    local has_new = false
    for ____, one in ipairs(configured) do
        local name = name_of(one)
        if name ~= nil then
            local old = names.resolved[name]
            known[name] = old or ({host = name, v4 = {}, v6 = {}, used = {}})
            has_names = true
            has_new = has_new or old == nil
        end
    end
    names.configured = configured
    names.resolved = known
    if not has_names then
        names.next = math.huge
        names.fresh_until = math.huge
    elseif has_new then
        names.next = 0
        names.fresh_until = 0
        names.lookups.latest = nil
    end
end

--- An endpoint for each address of each name; a name without addresses stays what it is.
---@param names resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param api_prefix string
---@return resty.etcd.endpoint.endpoint.Endpoint[]
local function expand(names, api_prefix)
    local endpoints = {}
    for ____, one in ipairs(names.configured) do
        local known = names.resolved[one.host]
        if known == nil or #known.used == 0 then
            endpoints[#endpoints + 1] = one
        else
            for ____, address in ipairs(known.used) do
                endpoints[#endpoints + 1] = endpoint.at_address(one, address, api_prefix)
            end
        end
    end
    return endpoints
end

--- Leaves alone what has not changed: connections and what is known of an endpoint go by its URL.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param found resty.etcd.endpoint.endpoint.Endpoint[]
local function replace(set, found)
    for i = 1, #found do
        local one = found[i]
        for ____, old in ipairs(set.endpoints) do
            if old.http_host == one.http_host and old.dns_name == one.dns_name then
                found[i] = old
            end
        end
    end
    set.endpoints = found
    set.is_cluster = #found > 1
end

--- Makes these the endpoints of a client.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param found resty.etcd.endpoint.endpoint.Endpoint[]
local function replace_endpoints(set, found)
    local names = set.dns
    if names == nil then
        replace(set, found)
        return
    end
    set_configured(names, found)
    replace(
        set,
        expand(names, set.api_prefix)
    )
end

--- Notes what a nameserver has answered, and lets the endpoints follow. The last address of a name stays in use.
---@param set resty.etcd.endpoint.dns_endpoints.EndpointSet
---@param names resty.etcd.endpoint.dns_endpoints.DnsEndpoints
---@param known resty.etcd.endpoint.dns_endpoints.ResolvedName
---@param qtype number `dns.A` or `dns.AAAA`
---@param found string[]
local function update_addresses(set, names, known, qtype, found)
    if qtype == dns.A then
        known.v4 = found
    else
        known.v6 = found
    end
    local all = {}
    for ____, address in ipairs(known.v4) do
        all[#all + 1] = address
    end
    for ____, address in ipairs(known.v6) do
        all[#all + 1] = address
    end
    if #all == 0 or concat(all, " ") == concat(known.used, " ") then
        return
    end
    known.used = all
    if log.info_enabled() then
        ngx.log(
            ngx.INFO,
            "addresses of ",
            known.host,
            ": ",
            concat(all, " ")
        )
    end
    replace(
        set,
        expand(names, set.api_prefix)
    )
end
_M.replace_endpoints = replace_endpoints
_M.update_addresses = update_addresses
_M.set_configured = set_configured

return _M
