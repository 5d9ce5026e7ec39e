-- Generated from src/resty/etcd/shared_log/records.ts by TypeScriptToLua. Do not edit.
local _M = {}
local decimal = require("resty.etcd.base.decimal")
local dict_values = require("resty.etcd.base.dict_values")
local time_slice = require("resty.etcd.base.time_slice")
local crc32 = ngx.crc32_long
local format = string.format
local match = string.match
local sub = string.sub

--- Maximum payload of a chunk in bytes. With its key and header, a chunk takes four pages of the dict. Larger chunks often
-- find no contiguous room, and smaller ones make writing slower.
local CHUNK_SIZE = 16 * 1024 - 256

--- Maximum bytes of the header of a chunk.
local MAX_HEADER_SIZE = 128

--- Approximate size in bytes of a chunk in the dict, besides its payload.
local CHUNK_OVERHEAD = 200

--- Header of a chunk: checksum of the rest, number of the chunk, 1 if it is the record's last, revision, total.
local CHUNK_HEADER = "^(%x%x%x%x%x%x%x%x)(%d+) ([01]) (%d+) (%d+)\n()"

--- A batch of events, or a part of a base.
---@class resty.etcd.shared_log.records.LogRecord
---@field payload string
---@field revision number
---@field total number Bytes of the log up to the end of the record, counted from the base.

---@class resty.etcd.shared_log.records.StoredRecord: resty.etcd.shared_log.records.LogRecord
---@field last number Number of the record's last chunk.

--- Writes a record as chunks from number `first` on. Readers do not see it before its writer publishes it.
---@param dict table
---@param prefix string
---@param first number
---@param record resty.etcd.shared_log.records.LogRecord
---@return number? res # the number of its last chunk; nil and an error if the dict has no room for it
---@return string? err
local function write(dict, prefix, first, record)
    local payload = record.payload
    local number = first
    local from = 1
    while true do
        local to = from + CHUNK_SIZE - 1
        local is_last = to >= #payload
        local rest = format(
            "%d %d %d %d\n",
            number,
            is_last and 1 or 0,
            record.revision,
            record.total
        ) .. sub(payload, from, to)
        local ok, err = dict:safe_set(
            prefix .. tostring(number),
            format(
                "%08x",
                crc32(rest)
            ) .. rest
        )
        if not ok then
            return nil, err or ""
        end
        if is_last then
            return number
        end
        number = number + 1
        from = to + 1
    end
end

--- Reads the record that begins with chunk `first`.
---@param dict table
---@param prefix string
---@param first number
---@return resty.etcd.shared_log.records.StoredRecord? # nil if a chunk is missing or damaged
local function read(dict, prefix, first)
    local number = first
    local parts = {}
    while true do
        local value = dict_values.get_text(
            dict,
            prefix .. tostring(number),
            CHUNK_SIZE + MAX_HEADER_SIZE
        )
        if value == nil then
            return nil
        end
        local sum, own_number, is_last, revision_text, total_text, from = match(value, CHUNK_HEADER)
        if from == nil or decimal.parse(own_number) ~= number or tonumber(sum, 16) ~= crc32(sub(value, 9)) then
            return nil
        end
        local revision = decimal.parse(revision_text)
        local total = decimal.parse(total_text)
        if revision == nil or total == nil then
            return nil
        end
        parts[#parts + 1] = sub(value, from)
        if is_last == "1" then
            return {
                payload = #parts == 1 and parts[1] or table.concat(parts, ""),
                last = number,
                revision = revision,
                total = total
            }
        end
        number = number + 1
    end
end

--- Removes chunks from the first one on, until one is missing.
---@param dict table
---@param prefix string
---@param slice resty.etcd.base.time_slice.TimeSlice
local function remove(dict, prefix, slice)
    local number = 1
    local key = prefix .. tostring(number)
    while (dict:ttl(key)) ~= nil do
        dict:delete(key)
        time_slice.yield_if_due(slice)
        number = number + 1
        key = prefix .. tostring(number)
    end
end
_M.CHUNK_OVERHEAD = CHUNK_OVERHEAD
_M.CHUNK_SIZE = CHUNK_SIZE
_M.read = read
_M.remove = remove
_M.write = write

return _M
