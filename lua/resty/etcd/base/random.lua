-- Generated from src/resty/etcd/base/random.ts by TypeScriptToLua. Do not edit.
local _M = {}
local floor = math.floor
local MODULUS = 2147483647
local FACTOR = 48271
local state = 0
local seeded_in

--- Returns a number in [0, 1) for jitter and choices, from a sequence that differs between workers. It does not use
--- `math.random`, whose state and seed belong to the program.
---@return number
local function next()
    local pid = ngx.worker.pid()
    if seeded_in ~= pid then
        seeded_in = pid
        state = ngx.crc32_short(tostring(pid) .. ":" .. tostring(ngx.now())) % (MODULUS - 1) + 1
    end
    state = state * FACTOR % MODULUS
    return (state - 1) / (MODULUS - 1)
end

--- Returns an integer from 0 to `n` - 1.
---@param n number
---@return number
local function below(n)
    return floor(next() * n)
end

--- Returns one half to all of `seconds`, so that workers and clients that failed together do not return together.
---@param seconds number
---@return number
local function jittered(seconds)
    return seconds * (0.5 + 0.5 * next())
end
_M.below = below
_M.jittered = jittered
_M.next = next

return _M
