-- Generated from src/resty/etcd/storage/kv_encoding.ts by TypeScriptToLua. Do not edit.
local _M = {}
local completeness = require("resty.etcd.protocol.completeness")
local time_slice = require("resty.etcd.base.time_slice")
local byte = string.byte
local char = string.char
local floor = math.floor
local sub = string.sub

--- Bytes of flags and lengths in front of a key's strings: flags, two lengths of four bytes, four lengths of one byte.
local HEADER_SIZE = 13
local DELETION = 1
local WITH_VALUE = 2
local WITH_LEASE = 4

--- The greatest int64, which has 19 digits.
local MAX_INT64 = "9223372036854775807"
local ZERO = 48
local NINE = 57

--- Encodes a key. Lengths come first, so that decoding needs no search.
---@param kv resty.etcd.protocol.message.RawKv
---@param is_deletion boolean
---@return string
local function encode(kv, is_deletion)
    local key = kv.key
    local value = kv.value or ""
    local created = is_deletion and "" or kv.create_revision
    local modified = kv.mod_revision
    local version = is_deletion and "" or kv.version
    local lease = kv.lease or ""
    local flags = is_deletion and DELETION or 0
    if kv.value ~= nil then
        flags = flags + WITH_VALUE
    end
    if kv.lease ~= nil then
        flags = flags + WITH_LEASE
    end
    local k = #key
    local v = #value
    local header = char(
        flags,
        k % 256,
        floor(k / 256) % 256,
        floor(k / 65536) % 256,
        floor(k / 16777216),
        v % 256,
        floor(v / 256) % 256,
        floor(v / 65536) % 256,
        floor(v / 16777216),
        #created,
        #modified,
        #version,
        #lease
    )
    return header .. key .. value .. created .. modified .. version .. lease
end

--- Encodes the events of a revision, without previous values.
---@param events resty.etcd.protocol.message.RawEvent[]
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return string
local function encode_events(events, slice)
    local parts = {}
    for ____, event in ipairs(events) do
        parts[#parts + 1] = encode(event.kv, event.type == "DELETE")
        time_slice.yield_if_due(slice)
    end
    return table.concat(parts, "")
end

--- Reports whether a text is an int64 of 0 or more. It runs for each number of each key: a loop is faster than a pattern.
---@param text string
---@return boolean
local function is_int64(text)
    local length = #text
    if length < 1 or length > #MAX_INT64 then
        return false
    end
    for i = 1, length do
        local digit = byte(text, i, i)
        if digit < ZERO or digit > NINE then
            return false
        end
    end
    return length < #MAX_INT64 or text <= MAX_INT64
end

--- Reports whether a lease ID is an int64, which can be negative.
---@param text string
---@return boolean
local function is_lease(text)
    return is_int64(sub(text, 1, 1) == "-" and sub(text, 2) or text)
end

--- Reports whether the numbers of a key are int64.
---@param kv resty.etcd.protocol.message.RawKv
---@param is_deletion boolean
---@return boolean
local function has_int64s(kv, is_deletion)
    local is_lease_valid = kv.lease == nil or is_lease(kv.lease)
    return is_int64(kv.mod_revision) and (is_deletion or is_int64(kv.create_revision) and is_int64(kv.version) and is_lease_valid)
end

--- Decodes one key.
---@param bytes string
---@param at number position of its first byte, counted from 1
---@return resty.etcd.protocol.message.RawEvent? event # an event and the position of the next key; or nil if a part of the key is missing or absurd
---@return number? next
local function decode(bytes, at)
    local flags, k0, k1, k2, k3, v0, v1, v2, v3, c, m, n, l = byte(bytes, at, at + HEADER_SIZE - 1)
    if l == nil then
        return nil
    end
    local key_at = at + HEADER_SIZE
    local value_at = key_at + k0 + k1 * 256 + k2 * 65536 + k3 * 16777216
    local created_at = value_at + v0 + v1 * 256 + v2 * 65536 + v3 * 16777216
    local modified_at = created_at + c
    local version_at = modified_at + m
    local lease_at = version_at + n
    local next = lease_at + l
    local is_deletion = flags % 2 == DELETION
    local kv = {
        key = sub(bytes, key_at, value_at - 1),
        mod_revision = sub(bytes, modified_at, version_at - 1)
    }
    if not is_deletion then
        kv.create_revision = sub(bytes, created_at, modified_at - 1)
        kv.version = sub(bytes, version_at, lease_at - 1)
        if flags >= WITH_LEASE then
            kv.lease = sub(bytes, lease_at, next - 1)
        end
        if flags % WITH_LEASE >= WITH_VALUE then
            kv.value = sub(bytes, value_at, created_at - 1)
        end
    end
    if next > #bytes + 1 or not has_int64s(kv, is_deletion) then
        return nil
    end
    local event = {type = is_deletion and "DELETE" or "PUT", kv = kv}
    if not completeness.is_complete_event(event) then
        return nil
    end
    return event, next
end

--- Returns the events in `bytes`; nil if one of them is incomplete: another program has written the bytes.
---@param bytes string
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return resty.etcd.protocol.message.RawEvent[]?
local function decode_events(bytes, slice)
    local events = {}
    local at = 1
    while at <= #bytes do
        local event, next = decode(bytes, at)
        if event == nil then
            return nil
        end
        events[#events + 1] = event
        at = next
        time_slice.yield_if_due(slice)
    end
    return events
end

--- Decodes the keys in `bytes` and appends them to `kvs`.
---@param bytes string
---@param kvs resty.etcd.protocol.message.RawKv[]
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean # false if one of them is incomplete, or a deletion: another program has written the bytes
local function decode_kvs(bytes, kvs, slice)
    local at = 1
    while at <= #bytes do
        local event, next = decode(bytes, at)
        if event == nil or event.type == "DELETE" then
            return false
        end
        kvs[#kvs + 1] = event.kv
        at = next
        time_slice.yield_if_due(slice)
    end
    return true
end
_M.decode_events = decode_events
_M.decode_kvs = decode_kvs
_M.encode = encode
_M.encode_events = encode_events

return _M
