-- Generated from src/resty/etcd/transport/gateway/chunked_json.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local json_codec = require("resty.etcd.transport.gateway.json_codec")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local replace = string.gsub
local find = string.find
local match = string.match
local min = math.min
local sub = string.sub

--- Up to so many bytes are decoded in one go, in about a millisecond.
local LONG = 64 * 1024

--- Bytes of a part of what is longer.
local PART = 2 * 1024

--- Bytes at both ends of a text between which there must be nothing but the list.
local MARGIN = 1024

--- A text whose length comes from one list of objects.
---@class resty.etcd.transport.gateway.chunked_json.Cut
---@field json any The decoded rest of the text, and the message in it, without the list.
---@field fields table
---@field name string
---@field first number Where the first item begins and the last one ends.
---@field last number

--- The message in what was decoded.
---@param json any
---@param envelope string?
---@return any
local function inside(json, envelope)
    if envelope == nil or type(json) ~= "table" then
        return json
    end
    return json[envelope]
end

local function decode_at_once(message, text, envelope)
    local json = cjson.decode(text)
    return json, json_codec.decode(
        message,
        inside(json, envelope)
    )
end

--- Takes the list out of a long text. A mere guess where it begins and ends is enough: with a number in its place the
--- rest must be JSON that has this number there, and each part of the list must be JSON by itself. Then they are what
--- the text says, as what comes before the list has not begun a string that it does not end.
---@param text string
---@param envelope string?
---@return resty.etcd.transport.gateway.chunked_json.Cut?
local function cut(text, envelope)
    local beginning = sub(text, 1, MARGIN)
    local ending = sub(text, -MARGIN)
    local name, first_at = match(beginning, "\"([%w_]+)\":%s*%[%s*(){")
    local closing_at = match(ending, "^.*}()%s*%]")
    if name == nil or closing_at == nil then
        return nil
    end
    local first = first_at
    local closing = closing_at
    local head = sub(beginning, 1, first - 1)
    local tail = sub(ending, closing)
    local escape = find(head .. tail, "\\", 1, true)
    local repeated = find(tail, "\"" .. name .. "\"", 1, true)
    local ____, quotes = replace(head, "\"", "")
    if escape ~= nil or repeated ~= nil or quotes % 2 == 1 then
        return nil
    end
    local json = cjson.decode(head .. "7" .. tail)
    local fields = inside(json, envelope)
    if type(fields) ~= "table" then
        return nil
    end
    local list = fields[name]
    if type(list) ~= "table" or #list ~= 1 or list[1] ~= 7 then
        return nil
    end
    fields[name] = nil
    return {
        json = json,
        fields = fields,
        name = name,
        first = first,
        last = #text - #ending + closing - 1
    }
end

--- Finds the end of an item that is followed by another one.
---@param text string
---@param from number
---@return number? stop # where it ends, and where the next one begins
---@return number? next
local function find_end(text, from)
    local at = from
    while true do
        local stop = find(text, "}", at, true)
        if stop == nil then
            return nil
        end
        local next_at = match(text, "^,%s*(){", stop + 1)
        if next_at ~= nil then
            return stop, next_at
        end
        at = stop + 1
    end
end

--- Decodes the items of a list, part by part, between which others have their turn.
---@param message table
---@param text string
---@param found resty.etcd.transport.gateway.chunked_json.Cut
---@return any[]? items # nil if some part is not JSON by itself; the second is the name of a malformed field
---@return string? bad
local function decode_items(message, text, found)
    local slice = time_slice.start()
    local name = found.name
    local last = found.last
    local items = {}
    local part = {}
    local at = found.first
    while at <= last do
        local stop, next_at = find_end(text, at + PART)
        local list = cjson.decode("[" .. sub(
            text,
            at,
            min(stop or last, last)
        ) .. "]")
        if type(list) ~= "table" then
            return nil
        end
        part[name] = list
        local bad = json_codec.decode(message, part)
        if bad ~= nil then
            return items, bad
        end
        for ____, item in ipairs(list) do
            items[#items + 1] = gc_barrier.mark_now(item)
        end
        at = next_at or last + 1
        time_slice.yield_if_due(slice)
    end
    return items
end

--- Decodes a message's JSON, and turns it into the message in place. A long one is decoded in parts, so that the worker
--- is not busy with it for long; whoever is not able to wait gets it all the same.
---@param message table
---@param text string
---@param envelope? string the field of the JSON that holds the message, where it is not the JSON itself
---@return any json # all that the text says, nil if it is not JSON; and the name of a field of the message that is malformed
---@return string? bad
local function decode(message, text, envelope)
    local found
    if #text > LONG then
        found = cut(text, envelope)
    end
    if found == nil then
        return decode_at_once(message, text, envelope)
    end
    local items, bad_item = decode_items(message, text, found)
    if items == nil then
        return decode_at_once(message, text, envelope)
    end
    local bad = bad_item or json_codec.decode(message, found.fields)
    found.fields[found.name] = items
    return found.json, bad
end
_M.LONG = LONG
_M.decode = decode

return _M
