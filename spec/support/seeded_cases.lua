-- Seeded cases without a server. Environment:
--
--   SEED=n   repeats a run: a case depends only on the seed, the name of its test and its number
--   CASE=n   runs only that case
--   SOAK=n   multiplies the number of cases (tools/soak)
local clock = require "resty.etcd.base.clock"

local SEED = tonumber(os.getenv("SEED")) or ngx.time()
local ONLY = tonumber(os.getenv("CASE"))
local SOAK = tonumber(os.getenv("SOAK")) or 1

local _M = {}

-- Returns the generator of a case: random(n) returns 1 to n.
local function random_of(name, case)
    local state = (SEED * 7919 + ngx.crc32_short(name) + case * 104729) % 2147483646 + 1
    local function random(n)
        state = state * 16807 % 2147483647
        return state % n + 1
    end
    random(2)
    random(2)
    return random
end

-- Runs one(random), which returns an error text or nil, `cases` times.
function _M.run(name, cases, one)
    cases = cases * SOAK
    local started = clock.now()
    for case = ONLY or 1, ONLY or cases do
        local ok, wrong = pcall(one, random_of(name, case))
        if not ok or wrong then
            error(("%s: case %d: %s (SEED=%d CASE=%d repeats it)"):format(name, case, tostring(wrong), SEED, case), 0)
        end
        if case % 1000 == 0 then
            ngx.sleep(0.001)
        end
    end
    print(("%s: SEED=%d, %d cases in %.1f s"):format(name, SEED, ONLY and 1 or cases, clock.now() - started))
end

-- Returns up to n random bytes.
function _M.bytes(random, n)
    local out = {}
    for i = 1, random(n + 1) - 1 do
        out[i] = string.char(random(256) - 1)
    end
    return table.concat(out)
end

-- Returns the bytes with one to four random changes.
function _M.damage(random, bytes)
    for _ = 1, random(4) do
        local from = random(#bytes + 1)
        local to = math.min(#bytes, from + random(8) - 1)
        local before, piece, after = bytes:sub(1, from - 1), bytes:sub(from, to), bytes:sub(to + 1)
        local kind = random(5)
        if kind == 1 then -- replace a byte
            bytes = before .. string.char(random(256) - 1) .. piece:sub(2) .. after
        elseif kind == 2 then -- delete a piece
            bytes = before .. after
        elseif kind == 3 then -- repeat a piece
            bytes = before .. piece .. piece .. after
        elseif kind == 4 then -- insert bytes
            bytes = before .. _M.bytes(random, 4) .. piece .. after
        else -- change a byte a little, as lengths and tags
            local byte = (piece:byte() or 0) + random(5) - 3
            bytes = before .. string.char(byte % 256) .. piece:sub(2) .. after
        end
    end
    return random(8) == 1 and bytes:sub(1, random(#bytes + 1) - 1) or bytes
end

return _M
