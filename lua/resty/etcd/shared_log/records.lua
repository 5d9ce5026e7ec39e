-- Generated from src/resty/etcd/shared_log/records.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local crc32 = ngx.crc32_long
local format = string.format
local match = string.match
local sub = string.sub

--- Bytes of a piece: with its key and header it takes four pages of the dict. Larger ones often find no room that is all
-- in one place, and with smaller ones writing takes longer.
local PIECE = 16 * 1024 - 256

--- What a piece costs in the dict beside its bytes, about.
local OVERHEAD = 200

--- What a piece begins with: checksum, its number, 1 if it is the last of a record, two numbers of the writer's.
local HEADER = "^(%x%x%x%x%x%x%x%x)(%d+) ([01]) (%d+) (%d+)\n()"

---@class resty.etcd.shared_log.records.Record
---@field payload string
---@field revision number
---@field total number Bytes of the log up to here, since its base.

---@class resty.etcd.shared_log.records.Stored: resty.etcd.shared_log.records.Record
---@field last number Number of its last piece.

--- Writes a record from piece `first` on. Nobody reads it until its writer says so elsewhere.
---@param dict table
---@param prefix string
---@param first number
---@param record resty.etcd.shared_log.records.Record
---@return number? res # the number of its last piece; nil and an error if the dict does not take it
---@return string? err
local function write(dict, prefix, first, record)
    local payload = record.payload
    local number = first
    local from = 1
    while true do
        local to = from + PIECE - 1
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

--- Reads the record that begins with piece `first`.
---@param dict table
---@param prefix string
---@param first number
---@return resty.etcd.shared_log.records.Stored? # nil if a piece is missing or is not what was written
local function read(dict, prefix, first)
    local number = first
    local parts = {}
    while true do
        local value = dict:get(prefix .. tostring(number))
        if type(value) ~= "string" then
            return nil
        end
        local sum, told, is_last, revision, total, from = match(value, HEADER)
        if from == nil or tonumber(told) ~= number or tonumber(sum, 16) ~= crc32(sub(value, 9)) then
            return nil
        end
        parts[#parts + 1] = sub(value, from)
        if is_last == "1" then
            return {
                payload = #parts == 1 and parts[1] or table.concat(parts, ""),
                last = number,
                revision = tonumber(revision),
                total = tonumber(total)
            }
        end
        number = number + 1
    end
end

--- Removes pieces from the first on until one is missing.
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
_M.OVERHEAD = OVERHEAD
_M.PIECE = PIECE
_M.read = read
_M.remove = remove
_M.write = write

return _M
