-- Generated from src/resty/etcd/endpoint/shared_health.ts by TypeScriptToLua. Do not edit.
local errors = require("resty.etcd.protocol.errors")
local checks = require("resty.etcd.base.checks")
local clock = require("resty.etcd.base.clock")
local dict_bans = require("resty.etcd.endpoint.dict_bans")
local foreign_options = require("resty.etcd.base.foreign_options")
local log = require("resty.etcd.base.log")
local masked_url = require("resty.etcd.endpoint.masked_url")
local warn_once = require("resty.etcd.base.warn_once")
local printable = require("resty.etcd.base.printable")
local half_open = require("resty.etcd.endpoint.half_open")
local now = clock.now

--- Settings of the shared health check.
---@class resty.etcd.endpoint.shared_health.Conf
---@field shm_name? string Name of a shared dict, which shares the state between workers.
---@field fail_timeout number Seconds of a ban, and the time window in which failures are counted; default 10.
---@field max_fails number Failures after which an endpoint is banned, with a shared dict; default 1.
---@field retry boolean Retries failed calls on other endpoints; default false.

--- The module, with one state per process. The driver calls its functions through this table: programs can replace them.
---@class resty.etcd.endpoint.shared_health.HealthCheck
---@field conf resty.etcd.endpoint.shared_health.Conf? Current settings; nil before `init`.
---@field DISABLED_MODE string
---@field ROUND_ROBIN_MODE string
---@field SHARED_DICT_MODE string
---@field disable fun()
---@field get_check_mode fun(): string
---@field get_target_status fun(http_host: string): boolean?, string?, resty.etcd.protocol.errors.EtcdError?
---@field is_banned fun(http_host: string): boolean
---@field init fun(opts?: table): resty.etcd.endpoint.shared_health.HealthCheck?, string?, resty.etcd.protocol.errors.EtcdError?
---@field report_failure fun(http_host: string): true?, string?, resty.etcd.protocol.errors.EtcdError?

local ROUND_ROBIN_MODE = "round_robin"
local SHARED_DICT_MODE = "shared_dict"
local DISABLED_MODE = "disabled"
local USE_SHM_NAME = {"use shm_name", "shm_name"}
local SUBJECT = "health_check.init"
local KNOWN = foreign_options.new(SUBJECT, {shm = USE_SHM_NAME, dict = USE_SHM_NAME, shared_dict = USE_SHM_NAME, retries = {"use retry = true", "retry"}}, {"shm_name", "fail_timeout", "max_fails", "retry"})
local OPTIONS = {rules = {{name = "shm_name", check = checks.check_shared_dict}, {name = "fail_timeout", type = "number", min = 0, expected = "unsigned number"}, {name = "max_fails", type = "number", min = 0, expected = "unsigned number"}}, ignores_unknown = true}
local health_check = {DISABLED_MODE = DISABLED_MODE, ROUND_ROBIN_MODE = ROUND_ROBIN_MODE, SHARED_DICT_MODE = SHARED_DICT_MODE}
local disabled = false

--- End of the ban by endpoint, if there is no shared dict.
local banned_until = {}

--- Returns the current mode.
---@return string
local function get_check_mode()
    if disabled then
        return DISABLED_MODE
    end
    local conf = health_check.conf
    return conf ~= nil and conf.shm_name ~= nil and SHARED_DICT_MODE or ROUND_ROBIN_MODE
end

--- Configures the health check of this process, for all clients. A further call replaces settings and mode.
---@param opts? table
---@return resty.etcd.endpoint.shared_health.HealthCheck? res # this module; or nil, an error text and the details
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function init(opts)
    local problem = checks.check_options(opts, OPTIONS)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local retry = opts and opts.retry
    if opts ~= nil then
        foreign_options.warn_if_similar(opts, KNOWN)
    end
    if retry ~= nil and type(retry) ~= "boolean" then
        warn_once.warn(
            SUBJECT,
            "retry " .. tostring(retry) .. " is no boolean: calls are not retried"
        )
    end
    local shm_name = opts and opts.shm_name
    local conf = {fail_timeout = opts and opts.fail_timeout or 10, max_fails = opts and opts.max_fails or 1, retry = retry == true}
    if shm_name ~= nil then
        conf.shm_name = shm_name
    end
    health_check.conf = conf
    if log.info_enabled() then
        if shm_name ~= nil then
            ngx.log(
                ngx.INFO,
                "healthy check use ngx.shared dict: ",
                printable.of(shm_name)
            )
        else
            ngx.log(ngx.INFO, "healthy check use round robin")
        end
    end
    return health_check
end

--- Removes ended bans, whose endpoints can be gone: DNS records and the member list change.
---@param time number
local function forget_old(time)
    for http_host, ban_end in pairs(banned_until) do
        if ban_end <= time then
            banned_until[http_host] = nil
        end
    end
end

--- Counts a failure of an endpoint. Clients call it for each failed attempt.
---@param http_host string
---@return true? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function report_failure(http_host)
    if disabled then
        return true
    end
    local conf = health_check.conf
    if conf == nil then
        return errors.bad_request("etcd health check uninitialized")
    end
    if type(http_host) ~= "string" then
        return errors.bad_request("etcd host invalid")
    end
    local shm_name = conf.shm_name
    if shm_name == nil then
        local time = now()
        local banned = (banned_until[http_host] or 0) > time
        banned_until[http_host] = time + conf.fail_timeout
        if not banned then
            forget_old(time)
            ngx.log(
                ngx.WARN,
                "update endpoint: ",
                masked_url.mask(http_host),
                " to unhealthy"
            )
        end
        return true
    end
    local dict = ngx.shared[shm_name]
    local fails, err = dict_bans.count_failure(dict, http_host, conf.fail_timeout)
    if fails == nil then
        return errors.bad_request(err)
    end
    if fails >= conf.max_fails and dict_bans.ban(dict, http_host, conf.fail_timeout) then
        ngx.log(
            ngx.WARN,
            "update endpoint: ",
            masked_url.mask(http_host),
            " to unhealthy"
        )
    end
    return true
end

local function has_ban(conf, http_host)
    local shm_name = conf.shm_name
    if shm_name == nil then
        local ban_end = banned_until[http_host]
        return ban_end ~= nil and ban_end > now()
    end
    return dict_bans.is_banned(ngx.shared[shm_name], http_host)
end

--- Reports whether an endpoint can be used.
---@param http_host string
---@return boolean? healthy # true if it is healthy; false if it is banned, or false and an error text if the host is invalid; nil and an error text before `init`
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function get_target_status(http_host)
    if disabled then
        return true
    end
    local conf = health_check.conf
    if conf == nil then
        return errors.bad_request("etcd health check uninitialized")
    end
    if type(http_host) ~= "string" then
        return false, "etcd host invalid", errors.local_error("bad_request", "etcd host invalid")
    end
    return not has_ban(conf, http_host)
end

--- Reports whether this health check bans an endpoint. Returns false if a program has replaced `get_target_status`, as
--- that function then decides and no half-open state is kept.
---@param http_host string
---@return boolean
local function is_banned(http_host)
    local conf = health_check.conf
    if disabled or conf == nil or health_check.get_target_status ~= get_target_status then
        return false
    end
    return has_ban(conf, http_host)
end

--- Turns the health check off in this process: every endpoint counts as healthy, and calls are not retried.
local function disable()
    disabled = true
    half_open.forget_all()
end
health_check.disable = disable
health_check.get_check_mode = get_check_mode
health_check.get_target_status = get_target_status
health_check.init = init
health_check.is_banned = is_banned
health_check.report_failure = report_failure
local _M = health_check

return _M
