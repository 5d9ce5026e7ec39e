-- What another plugin can do to a shared dict.
local _M = {}

local NAN = 0 / 0
local VALUES = { "", "x", "\r\nX-Evil: 1\r\n\r\n", ("\0"):rep(9), "9007199254740993", "-1", "1e999", "nan", ("9"):rep(400), "{}", ("a"):rep(20000),
    0, -1, 1.5, 2 ^ 53, 1e300, math.huge, -math.huge, NAN, true, false }

-- Gives one to four keys of the dict another value, another type, or none.
function _M.poison(dict, random)
    local keys = dict:get_keys(0)
    table.sort(keys)
    for _ = 1, #keys > 0 and random(4) or 0 do
        local key = keys[random(#keys)]
        local value = dict:get(key)
        local kind = random(5)
        if kind == 1 then
            dict:delete(key)
        elseif kind == 2 then -- get and incr fail for lists
            dict:delete(key)
            dict:rpush(key, "x")
        elseif kind == 3 and type(value) == "string" and #value > 0 then
            local at = random(#value)
            dict:set(key, value:sub(1, at - 1) .. string.char(random(256) - 1) .. value:sub(at + random(2)))
        elseif kind == 4 then
            local other = dict:get(keys[random(#keys)]) -- the right type, from another key
            dict:set(key, other)
        else
            dict:set(key, VALUES[random(#VALUES)], random(3) == 1 and 0.01 or 0)
        end
    end
end

return _M
