-- Generated from src/resty/etcd/mirror/wait_revision.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")
local confirmation = require("resty.etcd.mirror.confirmation")
local options = require("resty.etcd.mirror.options")
local waiters = require("resty.etcd.mirror.waiters")
local now = clock.now
local max = math.max
local min = math.min

--- Seconds that the stream has to deliver the revision before etcd is asked: it takes milliseconds if a key changed.
local FIRST_PAUSE = 0.02

--- Maximum seconds between two requests of one caller.
local MAX_PAUSE = 1

--- Minimum seconds between two requests of all callers.
local REQUEST_INTERVAL = 0.2

--- That interval as a multiple of the duration of the last request: etcd visits all keys of the range.
local DUTY_FACTOR = 4

--- Maximum seconds of a request: the stream can deliver the revision meanwhile.
local MAX_REQUEST_TIME = 5

--- Asks etcd whether the content is current, unless another caller has done so a moment ago.
---@param state resty.etcd.mirror.types.State
---@param left number
local function ask(state, left)
    local time = now()
    if time >= state.next_confirmation_at and confirmation.can_ask(state) then
        state.next_confirmation_at = time + REQUEST_INTERVAL
        confirmation.ask(
            state,
            min(left, MAX_REQUEST_TIME)
        )
        state.next_confirmation_at = now() + max(
            REQUEST_INTERVAL,
            DUTY_FACTOR * (now() - time)
        )
    end
end

--- Waits until the mirror shows a revision or a later one, whichever keys it changed.
---@param self resty.etcd.mirror.types.State
---@param revision string|number of a response of etcd: number or decimal string
---@param timeout? number seconds; nil waits without a limit
---@return true? res # true; nil, an error text and the details with the name `bad_request`, `timeout` or `closed`, or `not_in_phase` in a phase that cannot yield
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function wait_revision(self, revision, timeout)
    local text = int64.to_text(revision)
    local wanted = tonumber(text) or 0
    if wanted < 1 or wanted >= 2 ^ 63 then
        return errors.bad_request("revision must be a revision")
    end
    local problem = options.check_timeout(timeout)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local store = self.store
    if store.revision >= wanted then
        return true
    end
    local waiter, create_err = waiters.add(self.revision_waiters)
    if waiter == nil then
        return errors.bad_request(create_err)
    end
    local deadline = waiters.deadline_of(timeout)
    local pause = FIRST_PAUSE
    local ask_at = max(
        now() + pause,
        self.next_confirmation_at
    )
    while store.revision < wanted do
        local seconds = max(
            0,
            ask_at - now()
        )
        local err = waiters.pause(
            self,
            waiter,
            deadline,
            seconds,
            "revision " .. tostring(text) .. " not reached"
        )
        if err ~= nil then
            return errors.to_result(err)
        end
        if store.revision < wanted and now() >= ask_at then
            ask(
                self,
                deadline - now()
            )
            pause = min(2 * pause, MAX_PAUSE)
            ask_at = max(
                now() + pause,
                self.next_confirmation_at
            )
        end
    end
    return true
end
_M.wait_revision = wait_revision

return _M
