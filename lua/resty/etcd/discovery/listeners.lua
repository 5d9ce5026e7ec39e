-- Generated from src/resty/etcd/discovery/listeners.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local error_text = require("resty.etcd.base.error_text")
local base_listeners = require("resty.etcd.base.listener")
local time_slice = require("resty.etcd.base.time_slice")
local printable = require("resty.etcd.base.printable")
local errors = require("resty.etcd.protocol.errors")
local peer_lists = require("resty.etcd.discovery.peers")

---@class resty.etcd.discovery.listeners.ListenOptions
---@field initial? boolean Call the function immediately with the current instances, if there is a state.

--- A function given to `on_change`.
---@class resty.etcd.discovery.listeners.ServiceListener: resty.etcd.base.listener.Listener
---@field fn fun(peers: resty.etcd.discovery.peers.Peer[], service: string)

---@class resty.etcd.discovery.listeners.State: resty.etcd.discovery.peers.Lists
---@field prefix string
---@field listeners table By service; the arrays are replaced, not changed.
---@field is_listening boolean The mirror reports its changes to `notify`.

local LISTEN_OPTIONS = {rules = {{name = "initial", type = "boolean"}}}

--- Calls a function with the instances of its service, unless it has received this array. Errors of the function are logged:
--- they do not concern the others.
---@param state resty.etcd.discovery.listeners.State
---@param service string
---@param listener resty.etcd.discovery.listeners.ServiceListener
local function call(state, service, listener)
    local list = peer_lists.peers(state, service)
    if not base_listeners.accepts_state(listener, list) then
        return
    end
    local ok, err = pcall(listener.fn, list, service)
    if not ok then
        local text = printable.of(error_text.of(err, "no reason"))
        ngx.log(
            ngx.WARN,
            "service discovery of ",
            printable.key(state.prefix),
            ": on_change: ",
            text
        )
    end
end

--- Adds the service of a peer to a list, unless it is there already.
---@param services string[]
---@param known table
---@param kv resty.etcd.mirror.types.Kv?
local function add_service(services, known, kv)
    local ____opt_0 = kv and kv.value
    local service = ____opt_0 and ____opt_0.service
    if service ~= nil and known[service] ~= true then
        known[service] = true
        services[#services + 1] = service
    end
end

--- Returns the services that changes concern, in their order.
---@param changes resty.etcd.mirror.types.Changes
---@return string[]
local function services_of(changes)
    local services = {}
    local known = {}
    for ____, ____value in ipairs(changes.changes) do
        local kv = ____value.kv
        local old = ____value.old
        add_service(services, known, kv)
        add_service(services, known, old)
    end
    return services
end

--- Calls the functions of all services that have changed.
---@param state resty.etcd.discovery.listeners.State
---@param changes resty.etcd.mirror.types.Changes
local function notify(state, changes)
    local slice = time_slice.start()
    for ____, service in ipairs(services_of(changes)) do
        for ____, listener in ipairs(state.listeners[service] or ({})) do
            if base_listeners.accepts_change(listener) then
                call(state, service, listener)
                time_slice.yield_if_due(slice)
            end
        end
    end
end

--- Replaces the functions of a service by those that are not stopped, and one more.
---@param state resty.etcd.discovery.listeners.State
---@param service string
---@param added resty.etcd.discovery.listeners.ServiceListener?
local function replace(state, service, added)
    local list = {}
    for ____, listener in ipairs(state.listeners[service] or ({})) do
        if not listener.is_stopped then
            list[#list + 1] = listener
        end
    end
    if added ~= nil then
        list[#list + 1] = added
    end
    if #list > 0 then
        state.listeners[service] = list
    else
        state.listeners[service] = nil
    end
end

--- Registers a function to be called with the instances of a service after each change of one of them.
---@param self resty.etcd.discovery.listeners.State
---@param service string
---@param fn fun(peers: resty.etcd.discovery.peers.Peer[], service: string)
---@param opts? resty.etcd.discovery.listeners.ListenOptions
---@return fun()? res # a function that unregisters it; nil, an error text and the details
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function on_change(self, service, fn, opts)
    local problem = peer_lists.check_service(service) or checks.check_options(opts, LISTEN_OPTIONS)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    if type(fn) ~= "function" then
        return errors.bad_request("callback must be function")
    end
    if not self.is_listening then
        local stop, err, details = self.mirror:on_change(function(changes)
            notify(self, changes)
        end)
        if stop == nil then
            return nil, err, details
        end
        self.is_listening = true
    end
    local is_starting = (opts and opts.initial) == true and self.mirror:ready()
    local listener = base_listeners.new(is_starting)
    listener.fn = fn
    replace(self, service, listener)
    if is_starting then
        base_listeners.start(
            listener,
            function()
                call(self, service, listener)
            end
        )
    end
    return function()
        listener.is_stopped = true
        replace(self, service, nil)
    end
end
_M.on_change = on_change

return _M
