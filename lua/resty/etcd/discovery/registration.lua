-- Generated from src/resty/etcd/discovery/registration.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local timer_loop = require("resty.etcd.base.timer_loop")
local printable = require("resty.etcd.base.printable")
local errors = require("resty.etcd.protocol.errors")
local guarded_methods = require("resty.etcd.protocol.guarded_methods")
local instances = require("resty.etcd.discovery.instance")
local registration_steps = require("resty.etcd.discovery.registration_steps")
local registration_wait = require("resty.etcd.discovery.registration_wait")
local now = clock.now
local max = math.max
local min = math.min

--- Shortest delay in seconds after a step that has not failed. A server that grants a TTL of 1 s thus receives 4 calls per
-- second; etcd grants no TTL of less than 2 s.
local MIN_DELAY = 0.5

--- Longest delay in seconds before a failed step is repeated.
local MAX_DELAY = 2

--- Least upper bound in seconds of that delay, however short the TTL is.
local MIN_MAX_DELAY = 1

--- That delay after the first failure; doubles with each failure in a row.
local FIRST_DELAY = 0.1

--- Maximum number of warnings about different errors until the registration is well again.
local MAX_LOGGED = 20

--- The state of a registration.
---@class resty.etcd.discovery.registration.Status
---@field registered boolean The key is in etcd, as of the last response, and its lease has not expired.
---@field lease string? nil before it is granted.
---@field expires_in number Seconds until the lease expires unless it is renewed, counted from when the last renewal was sent.
---@field renewals number
---@field losses number Times that the lease expired, or the key was deleted or overwritten.
---@field ttl number TTL in seconds, as etcd granted it.
---@field owner_lease string? The lease of another registration of the same id that owns the key; nil if there is none.
---@field rejected boolean etcd does not accept the instance; `err` says why.
---@field err string? Why the latest step failed, or the latest value was rejected.
---@field retry_in number? Seconds until the next attempt; nil without `err`.

---@class resty.etcd.discovery.registration.Background: resty.etcd.discovery.registration_steps.State
---@field loop resty.etcd.base.timer_types.TimerLoop Makes the steps.
---@field next_step_at number When the next step is due.
---@field waiters table Callers of `wait`.
---@field logged table Warnings since the registration was well: each text is logged once.
---@field logged_count number
---@field instance resty.etcd.discovery.instance.Instance As registered or updated.
---@field encode fun(instance: resty.etcd.discovery.instance.Instance): string?, any

--- An instance of a service in etcd, for as long as this worker runs.
---@class resty.etcd.discovery.registration.Registration: resty.etcd.discovery.registration.Background
---@field close fun(self: resty.etcd.discovery.registration.Background): true
---@field state fun(self: resty.etcd.discovery.registration.Background): resty.etcd.discovery.registration.Status
---@field update fun(self: resty.etcd.discovery.registration.Background, fields: table): true?, string?, resty.etcd.protocol.errors.EtcdError?
---@field wait fun(self: resty.etcd.discovery.registration_wait.Waitable, timeout?: number): true?, string?, resty.etcd.protocol.errors.EtcdError?

--- Logs an error once, until the registration is well again.
---@param reg resty.etcd.discovery.registration.Background
---@param text string
local function log_error(reg, text)
    if reg.logged[text] ~= true and reg.logged_count < MAX_LOGGED then
        reg.logged[text] = true
        reg.logged_count = reg.logged_count + 1
        reg.has_warned = true
        ngx.log(
            ngx.WARN,
            "registration of ",
            printable.key(reg.key),
            ": ",
            printable.of(text),
            "; retrying"
        )
    end
end

local function note(reg, err)
    local is_failure = err ~= nil and err.name ~= "conflict"
    reg.failures = is_failure and reg.failures + 1 or 0
    reg.err = err
    if err ~= nil then
        log_error(
            reg,
            errors.to_text(err)
        )
    elseif reg.has_warned and reg.is_registered and reg.rejection == nil then
        reg.has_warned = false
        reg.logged = {}
        reg.logged_count = 0
        ngx.log(
            ngx.NOTICE,
            "registration of ",
            printable.key(reg.key),
            ": registered again"
        )
    end
end

--- Makes a step and notes its result.
---@param reg resty.etcd.discovery.registration.Background
local function make_step(reg)
    local ok, result = pcall(registration_steps.step, reg)
    local err = result
    if not ok then
        err = errors.local_error(
            "bad_reply",
            tostring(result)
        )
    end
    if not registration_steps.is_over(reg) then
        note(reg, err)
    end
end

--- Returns the seconds until the next step: a third of the TTL after the last renewal.
---@param reg resty.etcd.discovery.registration_steps.State
---@return number
local function delay(reg)
    if reg.failures == 0 then
        local is_pending = reg.err == nil and reg.rejection == nil and reg.written ~= reg.value
        return is_pending and MIN_DELAY or max(
            MIN_DELAY,
            reg.expires_at - now() - reg.granted * 2 / 3
        )
    end
    if reg.err ~= nil and registration_steps.is_final(reg.err) and not reg.is_registered then
        return registration_steps.final_delay(reg.failures)
    end
    return backoff.exponential(
        FIRST_DELAY,
        max(
            MIN_MAX_DELAY,
            min(MAX_DELAY, reg.granted / 6)
        ),
        reg.failures
    )
end

--- A turn of the loop: makes a step, or revokes the lease if the registration has ended.
---@param reg resty.etcd.discovery.registration.Background
---@return number?
local function turn(reg)
    if not registration_steps.is_over(reg) then
        make_step(reg)
    end
    if not registration_steps.is_over(reg) then
        local seconds = delay(reg)
        reg.next_step_at = now() + seconds
        registration_wait.wake_all(reg.waiters)
        return seconds
    end
    registration_wait.wake_all(reg.waiters)
    registration_steps.deregister(reg)
    return nil
end

--- Returns the seconds until the next attempt: of a step, or to write a value that etcd has rejected.
---@param reg resty.etcd.discovery.registration.Background
---@return number
local function seconds_to_retry(reg)
    local at = reg.err == nil and max(reg.retry_at, reg.next_step_at) or reg.next_step_at
    return max(
        0,
        at - now()
    )
end

--- Returns why the latest step failed, or the latest value was rejected, or the next step is late.
---@param reg resty.etcd.discovery.registration.Background
---@return string?
local function problem_of(reg)
    local err = reg.err or reg.rejection
    return err ~= nil and errors.to_text_with_hint(err) or timer_loop.problem(reg.loop)
end

local function state_of(self)
    local err = problem_of(self)
    return {
        registered = self.is_registered and now() < self.expires_at,
        lease = self.lease,
        expires_in = self.lease ~= nil and max(
            0,
            self.expires_at - now()
        ) or 0,
        renewals = self.renewals,
        losses = self.losses,
        ttl = self.granted,
        owner_lease = self.owner_lease,
        rejected = self.rejection ~= nil,
        err = err,
        retry_in = err ~= nil and seconds_to_retry(self) or nil
    }
end

--- Checks the fields of `update`. Returns an error text, or nil.
---@param fields any
---@return string?
local function check_update(fields)
    if type(fields) ~= "table" then
        return "fields must be table"
    end
    for key in pairs(fields) do
        local name = tostring(key)
        if name ~= "weight" and name ~= "meta" then
            return "update: unknown field " .. name .. "; weight and meta can change"
        end
    end
    return nil
end

--- Changes fields of the instance. The key is written in the background, immediately; `wait` waits for that. A value that
--- etcd rejected is forgotten.
---@param self resty.etcd.discovery.registration.Background
---@param fields table `weight`, `meta`; `cjson.null` removes one
---@return true? res # true; nil, an error text and the details, named `bad_request` or `closed`
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function update(self, fields)
    local problem = check_update(fields)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    if registration_steps.is_over(self) then
        return errors.to_result(errors.local_error("closed", "the registration is closed"))
    end
    local ____self_instance_0 = self.instance
    local id = ____self_instance_0.id
    local host = ____self_instance_0.host
    local port = ____self_instance_0.port
    local weight = ____self_instance_0.weight
    local meta = ____self_instance_0.meta
    local ____id_3 = id
    local ____host_4 = host
    local ____port_5 = port
    local ____fields_weight_1 = fields.weight
    if ____fields_weight_1 == nil then
        ____fields_weight_1 = weight
    end
    local ____fields_meta_2 = fields.meta
    if ____fields_meta_2 == nil then
        ____fields_meta_2 = meta
    end
    local changed = {
        id = ____id_3,
        host = ____host_4,
        port = ____port_5,
        weight = ____fields_weight_1,
        meta = ____fields_meta_2
    }
    local instance, instance_err = instances.read(changed, true)
    if instance == nil then
        return errors.bad_request(instance_err)
    end
    local value, encode_err = instances.encode(instance, self.encode)
    if value == nil then
        return errors.bad_request(encode_err)
    end
    self.instance = instance
    self.value = value
    self.failures = 0
    registration_steps.forget_rejection(self)
    timer_loop.wake(self.loop)
    return true
end

--- Ends the registration: its lease is revoked in the background, which deletes the key.
---@param self resty.etcd.discovery.registration.Background
---@return true
local function close(self)
    self.is_closed = true
    timer_loop.wake(self.loop)
    return true
end
local methods = {close = close, state = state_of, update = update, wait = registration_wait.wait}
local mt = {__index = guarded_methods.new(methods, "loop")}

--- Keeps a key in etcd for as long as this worker runs.
---@param cli resty.etcd.call.client_state.ClientState
---@param key string as etcd stores it
---@param value string
---@param ttl number seconds after which it expires if the worker stops renewing its lease
---@param instance resty.etcd.discovery.instance.Instance what `value` was made from by `encode`, for updates
---@param encode fun(instance: resty.etcd.discovery.instance.Instance): string?, any
---@return resty.etcd.discovery.registration.Registration? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function create(cli, key, value, ttl, instance, encode)
    local state = {
        cli = cli,
        key = key,
        value = value,
        written = nil,
        rejection = nil,
        rejections = 0,
        retry_at = 0,
        ttl = ttl,
        granted = ttl,
        lease = nil,
        granted_by = nil,
        previous_lease = nil,
        is_new = true,
        is_registered = false,
        owner_lease = nil,
        expires_at = 0,
        is_closed = false,
        renewals = 0,
        losses = 0,
        failures = 0,
        err = nil,
        has_warned = false,
        next_step_at = 0,
        waiters = registration_wait.new(),
        logged = {},
        logged_count = 0,
        instance = instance,
        encode = encode
    }
    local reg = state
    local loop = timer_loop.new(
        "registration of " .. key,
        function() return turn(reg) end,
        {exit_grace = 0}
    )
    reg.loop = loop
    local ok, err = timer_loop.start(loop, 0)
    if ok == nil then
        return errors.to_result(errors.local_error("not_in_phase", err))
    end
    return setmetatable(reg, mt)
end
_M.new = create

return _M
