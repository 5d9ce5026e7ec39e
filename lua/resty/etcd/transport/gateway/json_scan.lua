-- Generated from src/resty/etcd/transport/gateway/json_scan.ts by TypeScriptToLua. Do not edit.
local _M = {}
local byte = string.byte
local find = string.find
local sub = string.sub

--- Bytes after which a part ends with the next item.
local PART = 2 * 1024

--- Bytes of an item, or of a whole text, that are decoded in one call: cjson takes up to 6 ms for them.
local LONG = 64 * 1024
local QUOTE = 34
local COMMA = 44
local COLON = 58
local OPEN_ARRAY = 91
local BACKSLASH = 92
local CLOSE_ARRAY = 93
local OPEN_OBJECT = 123
local CLOSE_OBJECT = 125

--- Returns the number of backslashes before a position, at most `LONG`.
---@param text string
---@param at number
---@return number
local function backslashes_before(text, at)
    local count = 0
    while count < LONG and byte(text, at - 1 - count) == BACKSLASH do
        count = count + 1
    end
    return count
end

--- Finds the end of a string, up to a limit, so that the search does not occupy the worker.
---@param text string
---@param at number where the search begins: after the quote that begins the string
---@param limit number where the search stops
---@return number? stop # position of the closing quote; or nil, and where to continue the search, nil if no quote ends the string
---@return number? next
local function string_end(text, at, limit)
    local from = at
    while from <= limit do
        local stop = find(text, "\"", from, true)
        if stop == nil then
            return nil
        end
        local backslashes = backslashes_before(text, stop)
        if backslashes == LONG then
            return nil
        end
        if backslashes % 2 == 0 then
            return stop
        end
        from = stop + 1
    end
    return nil, from
end

--- Returns the position of the first character that is no white space, at most `LONG` characters on.
---@param text string
---@param at number
---@return number
local function skip_space(text, at)
    local limit = at + LONG
    local next = at
    while next < limit do
        local c = byte(text, next)
        if c ~= 32 and c ~= 10 and c ~= 13 and c ~= 9 then
            return next
        end
        next = next + 1
    end
    return next
end

--- Finds the end of the items of an array or object that form the next part. The brackets in them are balanced, but can be of
--- different kinds: the decoder finds that.
---@param text string
---@param at number begin of the first item
---@return number? stop # position of the comma or the closing bracket after the items, nil if the first item is long or incomplete; and the number of values in them, approximately
---@return number count
local function part_end(text, at)
    local limit = at + LONG
    local enough = at + PART
    local next = at
    local depth = 0
    local count = 1
    local last_comma
    while next <= limit do
        local c = byte(text, next)
        if c == QUOTE then
            local stop = string_end(text, next + 1, limit)
            if stop == nil then
                break
            end
            next = stop
        elseif c == COMMA then
            count = count + 1
            if depth == 0 then
                if next >= enough then
                    return next, count
                end
                last_comma = next
            end
        elseif c == OPEN_OBJECT or c == OPEN_ARRAY then
            count = count + 1
            depth = depth + 1
        elseif c == CLOSE_OBJECT or c == CLOSE_ARRAY then
            if depth == 0 then
                return next, count
            end
            depth = depth - 1
        elseif c == nil then
            break
        end
        next = next + 1
    end
    return last_comma, count
end

--- Returns the text between two positions, without both.
---@param text string
---@param before number
---@param after number
---@return string
local function between(text, before, after)
    return sub(text, before + 1, after - 1)
end
_M.CLOSE_ARRAY = CLOSE_ARRAY
_M.CLOSE_OBJECT = CLOSE_OBJECT
_M.COLON = COLON
_M.COMMA = COMMA
_M.LONG = LONG
_M.OPEN_ARRAY = OPEN_ARRAY
_M.OPEN_OBJECT = OPEN_OBJECT
_M.QUOTE = QUOTE
_M.between = between
_M.part_end = part_end
_M.skip_space = skip_space
_M.string_end = string_end

return _M
