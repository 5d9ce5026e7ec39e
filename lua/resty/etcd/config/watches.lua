-- Generated from src/resty/etcd/config/watches.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local error_text = require("resty.etcd.base.error_text")
local errors = require("resty.etcd.protocol.errors")
local documents = require("resty.etcd.config.documents")

---@class resty.etcd.config.watches.WatchOptions
---@field initial? boolean Call the function immediately with what `get` returns.

local WATCH_OPTIONS = {rules = {{name = "initial", type = "boolean"}}}

--- A function given to `watch`.
---@class resty.etcd.config.watches.Listener
---@field callback fun(document: any, revision: string?)
---@field is_starting boolean The first call has not returned: changes are noted, so that calls do not overlap.
---@field has_changed boolean

--- Calls a function with the document of a key, or with the default.
---@param state resty.etcd.config.writes.State
---@param name string
---@param callback fun(document: any, revision: string?)
---@param kv resty.etcd.mirror.types.Kv?
local function call(state, name, callback, kv)
    local document = documents.of(kv)
    if document ~= nil then
        callback(document, kv and kv.mod_revision)
    else
        callback(state.defaults[name], nil)
    end
end

local function note_change(listener)
    listener.has_changed = true
end

--- Reports whether the document has changed since the last call of the function began, and forgets that.
---@param listener resty.etcd.config.watches.Listener
---@return boolean
local function take_change(listener)
    local has_changed = listener.has_changed
    listener.has_changed = false
    return has_changed
end

--- Calls the function with the current document, and again if that changes before the function returns.
---@param state resty.etcd.config.writes.State
---@param key string
---@param name string
---@param listener resty.etcd.config.watches.Listener
local function start(state, key, name, listener)
    repeat
        do
            local ____, kv = state.mirror:get(key)
            local ok, err = pcall(
                call,
                state,
                name,
                listener.callback,
                kv
            )
            if not ok then
                ngx.log(
                    ngx.WARN,
                    "configuration store of ",
                    state.dir,
                    ": watch: ",
                    error_text.of(err, "no reason")
                )
            end
        end
    until not take_change(listener)
    listener.is_starting = false
end

--- Registers a function to be called after each change of a document.
---@param self resty.etcd.config.writes.State
---@param name string
---@param callback fun(document: any, revision: string?)
---@param opts? resty.etcd.config.watches.WatchOptions
---@return fun()? res # a function that unregisters it
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function watch(self, name, callback, opts)
    local problem = checks.check_key(name) or checks.check_options(opts, WATCH_OPTIONS)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    if type(callback) ~= "function" then
        return errors.bad_request("callback must be function")
    end
    local key = self.dir .. name
    local listener = {callback = callback, is_starting = (opts and opts.initial) == true, has_changed = false}
    local stop, err, details = self.mirror:on_change(function(changes)
        for ____, ____value in ipairs(changes.changes) do
            local changed_key = ____value.key
            local kv = ____value.kv
            if changed_key == key and listener.is_starting then
                note_change(listener)
            elseif changed_key == key then
                call(self, name, callback, kv)
            end
        end
    end)
    if stop == nil then
        return nil, err, details
    end
    if listener.is_starting then
        start(self, key, name, listener)
    end
    return stop
end
_M.watch = watch

return _M
