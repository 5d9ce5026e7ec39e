-- Generated from src/resty/etcd/config/watches.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local error_text = require("resty.etcd.base.error_text")
local listeners = require("resty.etcd.base.listener")
local printable = require("resty.etcd.base.printable")
local errors = require("resty.etcd.protocol.errors")
local documents = require("resty.etcd.config.documents")

---@class resty.etcd.config.watches.WatchOptions
---@field initial? boolean Call the function immediately with what `get` returns.

local WATCH_OPTIONS = {rules = {{name = "initial", type = "boolean"}}}

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

--- Calls a function after each change of the key, with the document of that revision.
---@param state resty.etcd.config.writes.State
---@param key string
---@param name string
---@param callback fun(document: any, revision: string?)
---@return fun()? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function follow_changes(state, key, name, callback)
    return state.mirror:on_change(function(changes)
        for ____, ____value in ipairs(changes.changes) do
            local changed_key = ____value.key
            local kv = ____value.kv
            if changed_key == key then
                call(state, name, callback, kv)
            end
        end
    end)
end

--- Calls a function with the current document, and after each change with the document that is current then.
---@param state resty.etcd.config.writes.State
---@param key string
---@param name string
---@param callback fun(document: any, revision: string?)
---@return fun()? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function follow_document(state, key, name, callback)
    local listener = listeners.new(true)
    local function show()
        local ____, kv = state.mirror:get(key)
        if listeners.accepts_state(listener, kv) then
            call(state, name, callback, kv)
        end
    end
    local stop, err, details = state.mirror:on_change(function(changes)
        for ____, ____value in ipairs(changes.changes) do
            local changed_key = ____value.key
            if changed_key == key and listeners.accepts_change(listener) then
                show()
            end
        end
    end)
    if stop == nil then
        return nil, err, details
    end
    listeners.start(
        listener,
        function()
            local ok, show_err = pcall(show)
            if not ok then
                local text = printable.of(error_text.of(show_err, "no reason"))
                ngx.log(
                    ngx.WARN,
                    "configuration store of ",
                    printable.key(state.dir),
                    ": watch: ",
                    text
                )
            end
        end
    )
    return stop
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
    if (opts and opts.initial) == true then
        return follow_document(self, key, name, callback)
    end
    return follow_changes(self, key, name, callback)
end
_M.watch = watch

return _M
