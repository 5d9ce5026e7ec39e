-- Generated from src/resty/etcd/endpoint/retry_budget.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A token bucket that limits the retries of all calls of a client to a share of the calls.
---@class resty.etcd.endpoint.retry_budget.RetryBudget
---@field per_call number Retries that each call adds.
---@field tokens number Retries that can be made now.

--- Retries that can be made in a burst.
local MAX_TOKENS = 10

local function create(per_call)
    return {per_call = per_call, tokens = MAX_TOKENS}
end

--- Adds the share of one call.
---@param budget resty.etcd.endpoint.retry_budget.RetryBudget
local function credit(budget)
    budget.tokens = math.min(MAX_TOKENS, budget.tokens + budget.per_call)
end

--- Reports whether a retry can be made.
---@param budget resty.etcd.endpoint.retry_budget.RetryBudget
---@return boolean
local function has_retry(budget)
    return budget.tokens >= 1
end

--- Takes one retry out of the budget. Returns false if there is none.
---@param budget resty.etcd.endpoint.retry_budget.RetryBudget
---@return boolean
local function spend(budget)
    if budget.tokens < 1 then
        return false
    end
    budget.tokens = budget.tokens - 1
    return true
end
_M.new = create
_M.credit = credit
_M.has_retry = has_retry
_M.spend = spend

return _M
