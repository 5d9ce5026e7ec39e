-- Generated from src/resty/etcd/base/nearest_name.ts by TypeScriptToLua. Do not edit.
local _M = {}
local abs = math.abs
local byte = string.byte
local floor = math.floor
local max = math.max
local min = math.min

--- Returns the Levenshtein distance: how many characters must be inserted, deleted or replaced to turn `a` into `b`.
---@param a string
---@param b string
---@return number
local function edit_distance(a, b)
    local previous = {}
    for j = 0, #b do
        previous[#previous + 1] = j
    end
    for i = 1, #a do
        local row = {i}
        for j = 1, #b do
            local replaced = previous[j] + (byte(a, i) == byte(b, j) and 0 or 1)
            row[#row + 1] = min(previous[j + 1] + 1, row[j] + 1, replaced)
        end
        previous = row
    end
    return previous[#b + 1]
end

--- Returns the known name that a misspelled name is nearest to, or nil if all differ in more than a third of its characters.
---@param name string
---@param known string[]
---@return string?
local function nearest(name, known)
    local best
    local limit = max(
        1,
        floor(#name / 3)
    )
    for ____, candidate in ipairs(known) do
        if abs(#candidate - #name) <= limit then
            local distance = edit_distance(name, candidate)
            if distance <= limit then
                best = candidate
                limit = distance - 1
            end
        end
    end
    return best
end
_M.nearest = nearest

return _M
