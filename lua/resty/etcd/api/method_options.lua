-- Generated from src/resty/etcd/api/method_options.ts by TypeScriptToLua. Do not edit.
local _M = {}
local checks = require("resty.etcd.base.checks")
local foreign_options = require("resty.etcd.base.foreign_options")
local warn_once = require("resty.etcd.base.warn_once")
local request_options = require("resty.etcd.api.request_options")

--- Greatest timeout in seconds that is not logged: who writes more often means milliseconds.
local LONG_TIMEOUT = 600

--- The same for watches, whose timeout is the time without a byte.
local LONG_WATCH_TIMEOUT = 3600
local USE_REVISION = {"use revision", "revision"}
local USE_START = {"use start_revision", "start_revision"}
local USE_PREV_KV = {"use prev_kv", "prev_kv"}
local USE_READDIR = {"use readdir"}
local USE_RMDIR = {"use rmdir"}
local USE_WATCHDIR = {"use watchdir"}
local USE_TXN = {"compare in a txn, or use setnx or setx"}
local RANGE_HABITS = {
    rev = USE_REVISION,
    sort = {"use sort_order and sort_target", "sort_order"},
    order = {"use sort_order", "sort_order"},
    quorum = {"reads are linearizable, unless serializable is set", "serializable"},
    consistent = {"reads are linearizable, unless serializable is set", "serializable"},
    linearizable = {"reads are linearizable, unless serializable is set", "serializable"},
    consistency = {"reads are linearizable, unless serializable is set", "serializable"},
    wait = {"use watch"}
}
local PUT_HABITS = {
    ttl = {"grant a lease, and pass its ID as lease", "lease"},
    lease_id = {"use lease", "lease"},
    leaseid = {"use lease", "lease"},
    prevExist = USE_TXN,
    prevIndex = USE_TXN,
    prevValue = USE_TXN,
    mod_revision = USE_TXN,
    return_prev = USE_PREV_KV
}
local WATCH_HABITS = {
    revision = USE_START,
    rev = USE_START,
    waitIndex = USE_START,
    from = USE_START,
    filter = {"use filters", "filters"}
}
local DELETE_HABITS = {return_prev = USE_PREV_KV, prevIndex = {"compare in a txn"}, prevValue = {"compare in a txn"}}
local PUT_OPTIONS = {
    "timeout",
    "lease",
    "prev_kv",
    "ignore_value",
    "ignore_lease",
    "idempotent"
}
local WATCH_OPTIONS = {
    "timeout",
    "start_revision",
    "progress_notify",
    "filters",
    "prev_kv",
    "watch_id",
    "fragment",
    "need_cancel",
    "require_leader"
}

--- Returns a copy of `habits` with the same advice for the ways to ask for a prefix.
---@param habits table<string, table<number, string?>>
---@param advice table<number, string?>
---@return table<string, table<number, string?>>
local function with_prefix(habits, advice)
    local all = {prefix = advice, recursive = advice, dir = advice}
    for name, habit in pairs(habits) do
        all[name] = habit
    end
    return all
end

--- Methods whose options have a past: other fields are accepted.
local METHODS = {
    get = foreign_options.new(
        "get",
        with_prefix(RANGE_HABITS, USE_READDIR),
        {"timeout", "range_end"},
        request_options.RANGE_OPTIONS
    ),
    readdir = foreign_options.new("readdir", RANGE_HABITS, {"timeout"}, request_options.RANGE_OPTIONS),
    set = foreign_options.new("set", PUT_HABITS, PUT_OPTIONS),
    setnx = foreign_options.new("setnx", PUT_HABITS, PUT_OPTIONS),
    setx = foreign_options.new("setx", PUT_HABITS, PUT_OPTIONS),
    delete = foreign_options.new(
        "delete",
        with_prefix(DELETE_HABITS, USE_RMDIR),
        {"timeout", "prev_kv", "range_end"}
    ),
    rmdir = foreign_options.new("rmdir", DELETE_HABITS, {"timeout", "prev_kv"}),
    txn = foreign_options.new("txn", {}, {"timeout", "idempotent"}),
    watch = foreign_options.new(
        "watch",
        with_prefix(WATCH_HABITS, USE_WATCHDIR),
        WATCH_OPTIONS
    ),
    watchdir = foreign_options.new("watchdir", WATCH_HABITS, WATCH_OPTIONS)
}

--- An option that lua-resty-etcd 1.10 does not have. A value that is ignored would make a write less safe than it looks.
local IDEMPOTENT = {rules = {{name = "idempotent", type = "boolean"}}, ignores_unknown = true}

--- Logs a timeout that can only be meant in milliseconds, once per worker.
---@param subject string
---@param timeout any
---@param limit number
local function warn_if_long(subject, timeout, limit)
    if type(timeout) == "number" and timeout > limit then
        warn_once.warn(
            subject,
            "timeout " .. tostring(timeout) .. " is in seconds, not in milliseconds"
        )
    end
end

--- Checks the options that all methods have in common, and logs fields that resemble an option of the method.
---@param method "set"|"get"|"delete"|"readdir"|"setnx"|"setx"|"rmdir"|"txn"|"watch"|"watchdir"
---@param opts table?
---@return string? # an error text, or nil if the options are valid
local function check(method, opts)
    if opts == nil then
        return nil
    end
    local known = METHODS[method]
    local problem = checks.check_method_options(opts)
    if problem == nil and known.names.idempotent ~= nil then
        problem = checks.check_options(opts, IDEMPOTENT)
    end
    if problem == nil then
        local is_watch = method == "watch" or method == "watchdir"
        warn_if_long(method, opts.timeout, is_watch and LONG_WATCH_TIMEOUT or LONG_TIMEOUT)
        foreign_options.warn_if_similar(opts, known)
    end
    return problem
end

--- Checks the options of a method that only takes a timeout: unknown ones are errors. Returns an error text, or nil.
---@param method string
---@param opts table?
---@return string?
local function check_timeout_only(method, opts)
    local problem = checks.check_timeout_options(opts)
    if problem == nil then
        warn_if_long(method, opts and opts.timeout, LONG_TIMEOUT)
    end
    return problem
end
_M.check = check
_M.check_timeout_only = check_timeout_only

return _M
