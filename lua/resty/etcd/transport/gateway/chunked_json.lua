-- Generated from src/resty/etcd/transport/gateway/chunked_json.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("resty.etcd.base.private_cjson")
local json_codec = require("resty.etcd.transport.gateway.json_codec")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local replace = string.gsub
local find = string.find
local match = string.match
local min = math.min
local sub = string.sub

--- Bytes that are decoded in one call, which takes about a millisecond.
local LONG = 64 * 1024

--- Bytes of a part of a longer text.
local PART = 2 * 1024

--- Bytes at both ends of a text that can contain anything but the list.
local MARGIN = 1024

--- A text that is long because of one list of objects.
---@class resty.etcd.transport.gateway.chunked_json.Cut
---@field json any The decoded text without the list, and the message in it.
---@field fields table
---@field name string
---@field first number Positions of the begin of the first item and the end of the last one.
---@field last number

--- Returns the message in decoded JSON.
---@param json any
---@param envelope string?
---@return any
local function inside(json, envelope)
    if envelope == nil or type(json) ~= "table" then
        return json
    end
    return json[envelope]
end

local function decode_in_one_call(message, text, envelope)
    local json = cjson.decode(text)
    return json, json_codec.decode(
        message,
        inside(json, envelope)
    )
end

--- Cuts the list out of a long text. Its begin and end are guessed, and the result proves the guess: with a number instead of
--- the list, the rest must be JSON with this number at this place, and each part of the list must be JSON. Both then mean
--- what the text means, because the text before the list contains no unfinished string.
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
---@return number? stop # positions of its end and of the begin of the next one
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

--- Decodes the items of a list in parts, and yields in between.
---@param message table
---@param text string
---@param cut_text resty.etcd.transport.gateway.chunked_json.Cut
---@return any[]? items # the items, nil if some part is not JSON; and the name of a malformed field
---@return string? bad
local function decode_items(message, text, cut_text)
    local slice = time_slice.start()
    local name = cut_text.name
    local last = cut_text.last
    local items = {}
    local part = {}
    local at = cut_text.first
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

--- Decodes JSON, and converts the message in it in place. A long text is decoded in parts, so that it does not occupy the
--- worker; in phases that cannot yield, without a pause.
---@param message table
---@param text string
---@param envelope? string field that contains the message; nil if the JSON is the message
---@return any json # the JSON, nil if the text is not JSON; and the name of a malformed field of the message
---@return string? bad
local function decode(message, text, envelope)
    local cut_text
    if #text > LONG then
        cut_text = cut(text, envelope)
    end
    if cut_text == nil then
        return decode_in_one_call(message, text, envelope)
    end
    local items, bad_item = decode_items(message, text, cut_text)
    if items == nil then
        return decode_in_one_call(message, text, envelope)
    end
    local bad = bad_item or json_codec.decode(message, cut_text.fields)
    cut_text.fields[cut_text.name] = items
    return cut_text.json, bad
end
_M.LONG = LONG
_M.decode = decode

return _M
