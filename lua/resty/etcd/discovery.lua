-- Generated from src/resty/etcd/discovery.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local cjson = require("cjson.safe")
local checks = require("resty.etcd.base.checks")
local errors = require("resty.etcd.protocol.errors")
local mirrors = require("resty.etcd.mirror.mirror")
local facade = require("resty.etcd.mirror.facade")
local registrations = require("resty.etcd.discovery.registration")
local floor = math.floor
local match = string.match
local max = math.max
local PREFIX = "/services/"
local TTL = 10

--- etcd rejects a longer TTL.
local LONGEST_TTL = 9000000000

--- An address of a service, as given to `register`.
---@class resty.etcd.discovery.Instance
---@field id? string Identifies the instance within its service; default `host:port`.
---@field host string
---@field port number
---@field weight? number Default 1.
---@field meta? any Any JSON value, for the readers of the instance.

--- An instance of a service, as `peers` returns it.
---@class resty.etcd.discovery.Peer
---@field service string
---@field id string
---@field host string
---@field port number
---@field weight number
---@field meta any

---@class resty.etcd.discovery.Options
---@field prefix? string Prefix of the keys of all services; default `/services/`.
---@field allow_hostnames? boolean Accept host names. balancer_by_lua accepts addresses only.

---@class resty.etcd.discovery.RegisterOptions: resty.etcd.discovery.Options
---@field ttl? number Seconds until etcd removes the instance if its worker stops renewing the lease; default 10.

--- The instances of a service, and the kvs that they were made from.
---@class resty.etcd.discovery.CachedPeers
---@field kvs resty.etcd.mirror.types.Kv[]
---@field peers resty.etcd.discovery.Peer[]

---@class resty.etcd.discovery.State
---@field mirror resty.etcd.mirror.mirror.Mirror Serves the reads.
---@field cache table By service.

--- The instances of services.
---@class resty.etcd.discovery.Discovery: resty.etcd.discovery.State
---@field age fun(self: resty.etcd.mirror.facade.Facade): number
---@field close fun(self: resty.etcd.mirror.facade.Facade): true
---@field invalid fun(self: resty.etcd.discovery.State): table<string, resty.etcd.mirror.types.Invalid>
---@field peers fun(self: resty.etcd.discovery.State, service: string): resty.etcd.discovery.Peer[]?, string?, resty.etcd.protocol.errors.EtcdError?
---@field ready fun(self: resty.etcd.mirror.facade.Facade): boolean
---@field state fun(self: resty.etcd.mirror.facade.Facade): resty.etcd.mirror.status.Status
---@field wait_ready fun(self: resty.etcd.mirror.facade.Facade, timeout?: number): true?, string?, resty.etcd.protocol.errors.EtcdError?

local OPTIONS = {rules = {{name = "prefix", type = "string"}, {name = "allow_hostnames", type = "boolean"}}}
local REGISTER_OPTIONS = {rules = {{name = "prefix", type = "string"}, {name = "allow_hostnames", type = "boolean"}, {name = "ttl", type = "number"}}}

--- Reports whether `set_current_peer` accepts a host: an IPv4 address, or an IPv6 address in brackets.
---@param host string
---@return boolean
local function is_address(host)
    if (match(host, "^%[[%x:.]+%]$")) ~= nil then
        return true
    end
    local a, b, c, d = match(host, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
    if a == nil then
        return false
    end
    return max(
        tonumber(a),
        tonumber(b),
        tonumber(c),
        tonumber(d)
    ) <= 255
end

--- Checks an instance. Returns an error text, or nil.
---@param instance any
---@param allow_hostnames boolean
---@return string?
local function check_instance(instance, allow_hostnames)
    if type(instance) ~= "table" then
        return "instance must be table"
    end
    local ____instance_0 = instance
    local id = ____instance_0.id
    local host = ____instance_0.host
    local port = ____instance_0.port
    local weight = ____instance_0.weight
    if id ~= nil and (type(id) ~= "string" or id == "") then
        return "instance.id must be string"
    end
    if type(host) ~= "string" or host == "" then
        return "instance.host must be string"
    end
    if not allow_hostnames and not is_address(host) then
        return "instance.host must be an address, unless opts.allow_hostnames is set"
    end
    if type(port) ~= "number" or floor(port) ~= port or port < 1 or port > 65535 then
        return "instance.port must be a port"
    end
    local is_weight = weight == nil or type(weight) == "number" and weight >= 0
    local ____is_weight_1
    if is_weight then
        ____is_weight_1 = nil
    else
        ____is_weight_1 = "instance.weight must be unsigned number"
    end
    return ____is_weight_1
end

--- Checks the name of a service. Returns an error text, or nil.
---@param service any
---@return string?
local function check_service(service)
    local is_name = type(service) == "string" and (match(service, "^[^/]+$")) ~= nil
    local ____is_name_2
    if is_name then
        ____is_name_2 = nil
    else
        ____is_name_2 = "service must be a name without /"
    end
    return ____is_name_2
end

--- Registers an instance of a service until the registration is closed or the worker exits.
---@param cli resty.etcd.call.client_state.ClientState
---@param service string
---@param instance resty.etcd.discovery.Instance
---@param opts? resty.etcd.discovery.RegisterOptions
---@return resty.etcd.discovery.registration.Registration? res # a registration, which writes its key in the background
---@return string? err
local function register(cli, service, instance, opts)
    local problem = checks.check_client(cli) or check_service(service) or checks.check_options(opts, REGISTER_OPTIONS) or check_instance(instance, (opts and opts.allow_hostnames) == true)
    if problem ~= nil then
        return nil, problem
    end
    local ttl = opts and opts.ttl or TTL
    if floor(ttl) ~= ttl or ttl < 1 or ttl > LONGEST_TTL then
        return nil, "opts.ttl must be a whole number of seconds"
    end
    local ____instance_7 = instance
    local host = ____instance_7.host
    local port = ____instance_7.port
    local weight = ____instance_7.weight
    local meta = ____instance_7.meta
    local value, err = cjson.encode({host = host, port = port, weight = weight, meta = meta})
    if value == nil then
        return nil, err
    end
    local key = (opts and opts.prefix or PREFIX) .. service .. "/" .. (instance.id or host .. ":" .. tostring(port))
    return registrations.new(
        cli,
        keys.with_prefix(cli.key_prefix, key),
        value,
        ttl
    )
end

--- Returns the instances of a service. The array stays the same table until the service changes.
---@param self resty.etcd.discovery.State
---@param service string
---@return resty.etcd.discovery.Peer[]? res
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
    local cached = self.cache[service]
    if cached == nil or cached.kvs ~= kvs then
        local list = {}
        for ____, kv in ipairs(kvs) do
            list[#list + 1] = kv.value
        end
        cached = {kvs = kvs, peers = list}
        if #list > 0 then
            self.cache[service] = cached
        else
            self.cache[service] = nil
        end
    end
    return cached.peers
end

--- As `m:invalid()`.
---@param self resty.etcd.discovery.State
---@return table<string, resty.etcd.mirror.types.Invalid>
local function invalid(self)
    return self.mirror:invalid()
end
local methods = {
    age = facade.age,
    close = facade.close,
    invalid = invalid,
    peers = peers,
    ready = facade.ready,
    state = facade.state_of,
    wait_ready = facade.wait_ready
}
local mt = {__index = methods}

--- Creates a discovery, which follows all services below a prefix.
---@param cli resty.etcd.call.client_state.ClientState
---@param opts? resty.etcd.discovery.Options
---@return resty.etcd.discovery.Discovery? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function create(cli, opts)
    local problem = checks.check_client(cli) or checks.check_options(opts, OPTIONS)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local allow_hostnames = (opts and opts.allow_hostnames) == true
    local prefix = opts and opts.prefix or PREFIX
    local service_start = #prefix + 1
    local mirror, err, details = mirrors.new(
        cli,
        prefix,
        {
            decode = function(bytes) return cjson.decode(bytes) end,
            validate = function(value)
                local invalid_reason = check_instance(value, allow_hostnames)
                return invalid_reason == nil, invalid_reason
            end,
            transform = function(value, kv)
                local service, id = match(kv.key, "^([^/]+)/(.+)$", service_start)
                if service == nil then
                    return nil, "the key is not PREFIX/SERVICE/ID"
                end
                local ____value_14 = value
                local host = ____value_14.host
                local port = ____value_14.port
                local weight = ____value_14.weight
                local meta = ____value_14.meta
                return {
                    service = service,
                    id = id,
                    host = host,
                    port = port,
                    weight = weight or 1,
                    meta = meta
                }
            end,
            index = {service = function(peer) return peer.service end}
        }
    )
    if mirror == nil then
        return nil, err, details
    end
    return setmetatable({mirror = mirror, cache = {}}, mt)
end
_M.new = create
_M.register = register

return _M
