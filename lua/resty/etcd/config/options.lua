-- Generated from src/resty/etcd/config/options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local mirror_options = require("resty.etcd.mirror.options")
local serializers = require("resty.etcd.serializers.serializer")
local documents = require("resty.etcd.config.documents")

--- Options of a configuration store: those of its mirror, and its own.
---@class resty.etcd.config.options.Options: resty.etcd.mirror.types.Options
---@field defaults? table<string, any> What `get` returns for an absent document, by name.

local RULES = {{name = "defaults", type = "table"}}
for ____, rule in ipairs(mirror_options.RULES) do
    RULES[#RULES + 1] = rule
end

--- Checks the options. Returns an error text, or nil.
---@param opts any
---@return string?
local function check(opts)
    return checks.check_options(opts, {rules = RULES})
end

--- Returns the choice of the serializer: by default json_exact, or the client's if that is not JSON.
---@param cli resty.etcd.call.client_state.ClientState
---@param opts resty.etcd.config.options.Options
---@return "raw"|resty.etcd.serializers.serializer.Serializer|"json"|"json_exact"
local function serializer_of(cli, opts)
    return opts.serializer or serializers.exact_choice(cli.serializer)
end

--- Returns the options of the mirror.
---@param cli resty.etcd.call.client_state.ClientState
---@param opts resty.etcd.config.options.Options
---@return resty.etcd.mirror.types.Options
local function of_mirror(cli, opts)
    local copy = {}
    for name, value in pairs(opts) do
        if name ~= "defaults" then
            copy[name] = value
        end
    end
    copy.serializer = opts.decode == nil and serializer_of(cli, opts) or nil
    local mirror_opts = copy
    documents.skip_null(mirror_opts)
    return mirror_opts
end
_M.check = check
_M.of_mirror = of_mirror
_M.serializer_of = serializer_of

return _M
