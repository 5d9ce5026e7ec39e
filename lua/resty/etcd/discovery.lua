-- Generated from src/resty/etcd/discovery.ts by TypeScriptToLua. Do not edit.
local _M = {}
local lease_grant = require("resty.etcd.call.lease_grant")
local keys = require("resty.etcd.protocol.keys")
local cjson = require("resty.etcd.base.private_cjson")
local checks = require("resty.etcd.base.checks")
local glued_prefix = require("resty.etcd.base.glued_prefix")
local errors = require("resty.etcd.protocol.errors")
local mirrors = require("resty.etcd.mirror.mirror")
local facade = require("resty.etcd.mirror.facade")
local instances = require("resty.etcd.discovery.instance")
local listeners = require("resty.etcd.discovery.listeners")
local peer_lists = require("resty.etcd.discovery.peers")
local registrations = require("resty.etcd.discovery.registration")
local floor = math.floor
local match = string.match
local PREFIX = "/services/"
local TTL = 10

---@class resty.etcd.discovery.Options
---@field prefix? string Prefix of the keys of all services; default `/services/`.
---@field allow_hostnames? boolean Accept host names. balancer_by_lua accepts addresses only.
---@field decode? (fun(bytes: string, kv: resty.etcd.mirror.types.Kv): any, any) Makes an instance from bytes; default JSON. Its fields `service` and `id` replace those of the key.

---@class resty.etcd.discovery.RegisterOptions
---@field prefix? string As for `new`.
---@field allow_hostnames? boolean As for `new`.
---@field ttl? number Seconds until etcd removes the instance if its worker stops renewing the lease; default 10.
---@field encode? (fun(instance: resty.etcd.discovery.instance.Instance): string?, any) Makes the value of the key from the instance; default JSON.

--- The instances of services.
---@class resty.etcd.discovery.Discovery: resty.etcd.discovery.listeners.State
---@field age fun(self: resty.etcd.mirror.facade.Facade): number
---@field close fun(self: resty.etcd.mirror.facade.Facade): true
---@field invalid fun(self: resty.etcd.discovery.listeners.State): table<string, resty.etcd.mirror.types.Invalid>
---@field on_change fun(self: resty.etcd.discovery.listeners.State, service: string, fn: fun(peers: resty.etcd.discovery.peers.Peer[], service: string), opts?: resty.etcd.discovery.listeners.ListenOptions): fun()?, string?, resty.etcd.protocol.errors.EtcdError?
---@field peers fun(self: resty.etcd.discovery.peers.Lists, service: string): resty.etcd.discovery.peers.Peer[]?, string?, resty.etcd.protocol.errors.EtcdError?
---@field ready fun(self: resty.etcd.mirror.facade.Facade): boolean
---@field services fun(self: resty.etcd.discovery.peers.Lists): string[]?, string?, resty.etcd.protocol.errors.EtcdError?
---@field state fun(self: resty.etcd.mirror.facade.Facade): resty.etcd.mirror.status.Status
---@field wait_ready fun(self: resty.etcd.mirror.facade.Facade, timeout?: number): true?, string?, resty.etcd.protocol.errors.EtcdError?

local OPTIONS = {rules = {{name = "prefix", type = "string"}, {name = "allow_hostnames", type = "boolean"}, {name = "decode", type = "function"}}}
local REGISTER_OPTIONS = {rules = {{name = "prefix", type = "string"}, {name = "allow_hostnames", type = "boolean"}, {name = "ttl", type = "number"}, {name = "encode", type = "function"}}}

local function is_ttl(ttl)
    return floor(ttl) == ttl and ttl >= 1 and ttl <= lease_grant.LONGEST_TTL
end

--- Registers an instance of a service until the registration is closed or the worker exits.
---@param cli resty.etcd.call.client_state.ClientState
---@param service string
---@param instance resty.etcd.discovery.instance.Instance
---@param opts? resty.etcd.discovery.RegisterOptions
---@return resty.etcd.discovery.registration.Registration? res # a registration, which writes its key in the background; nil, an error text and the details
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function register(cli, service, instance, opts)
    local problem = checks.check_client(cli) or peer_lists.check_service(service) or checks.check_options(opts, REGISTER_OPTIONS)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local ____temp_0 = opts or ({})
    local prefix = ____temp_0.prefix
    if prefix == nil then
        prefix = PREFIX
    end
    local allow_hostnames = ____temp_0.allow_hostnames
    local ttl = ____temp_0.ttl
    if ttl == nil then
        ttl = TTL
    end
    local encode = ____temp_0.encode
    if encode == nil then
        encode = instances.encode_json
    end
    local checked, instance_err = instances.of_program(instance, allow_hostnames == true)
    if checked == nil then
        return errors.bad_request(instance_err)
    end
    if not is_ttl(ttl) then
        return errors.bad_request("opts.ttl must be a whole number of seconds")
    end
    local value, err = instances.encode(checked, encode)
    if value == nil then
        return errors.bad_request(err)
    end
    glued_prefix.warn("service discovery", prefix)
    local key = prefix .. service .. "/" .. (checked.id or checked.host .. ":" .. tostring(checked.port))
    return registrations.new(
        cli,
        keys.with_prefix(cli.key_prefix, key),
        value,
        ttl,
        checked,
        encode
    )
end

--- As `m:invalid()`.
---@param self resty.etcd.discovery.listeners.State
---@return table<string, resty.etcd.mirror.types.Invalid>
local function invalid(self)
    return self.mirror:invalid()
end
local methods = {
    age = facade.age,
    close = facade.close,
    invalid = invalid,
    on_change = listeners.on_change,
    peers = peer_lists.peers,
    ready = facade.ready,
    services = peer_lists.services,
    state = facade.state_of,
    wait_ready = facade.wait_ready
}
local mt = {__index = methods}

--- Returns the peer for an instance in etcd.
---@param value any
---@param key string
---@param service_start number position in the key of the name of its service
---@param opts resty.etcd.discovery.Options
---@return resty.etcd.discovery.peers.Peer? res
---@return string? err
local function make_peer(value, key, service_start, opts)
    local instance, err = instances.read(value, opts.allow_hostnames == true)
    if instance == nil then
        return nil, err
    end
    local service, id = match(key, "^([^/]+)/(.+)$", service_start)
    if opts.decode ~= nil then
        local decoded = value.service
        service = instances.is_name(decoded) and decoded or service
        id = instance.id or id
    end
    if service == nil or id == nil then
        return nil, "the key is not PREFIX/SERVICE/ID"
    end
    local ____instance_1 = instance
    local host = ____instance_1.host
    local port = ____instance_1.port
    local weight = ____instance_1.weight
    local meta = ____instance_1.meta
    return {
        service = service,
        id = id,
        host = host,
        port = port,
        weight = weight or 1,
        meta = meta
    }
end

--- Creates a discovery, which follows all services below a prefix.
---@param cli resty.etcd.call.client_state.ClientState
---@param opts? resty.etcd.discovery.Options
---@return resty.etcd.discovery.Discovery? res # the discovery; nil, an error text and the details
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function create(cli, opts)
    local problem = checks.check_client(cli) or checks.check_options(opts, OPTIONS)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local given = opts or ({})
    local allow_hostnames = given.allow_hostnames == true
    local prefix = given.prefix or PREFIX
    local service_start = #prefix + 1
    local mirror, err, details = mirrors.new(
        cli,
        prefix,
        {
            decode = given.decode or (function(bytes) return cjson.decode(bytes) end),
            validate = function(value)
                local instance, invalid_reason = instances.read(value, allow_hostnames)
                return instance ~= nil, invalid_reason
            end,
            transform = function(value, kv) return make_peer(value, kv.key, service_start, given) end,
            index = {service = function(peer) return peer.service end}
        }
    )
    if mirror == nil then
        return nil, err, details
    end
    glued_prefix.warn("service discovery", prefix)
    local state = {
        mirror = mirror,
        prefix = prefix,
        cache = setmetatable({}, {__mode = "k"}),
        listed = nil,
        listed_services = {},
        listeners = {},
        is_listening = false
    }
    return setmetatable(state, mt)
end
_M.new = create
_M.register = register

return _M
