-- Generated from src/resty/etcd/storage/snapshot_file.ts by TypeScriptToLua. Do not edit.
local _M = {}
local decimal = require("resty.etcd.base.decimal")
local error_text = require("resty.etcd.base.error_text")
local file_status = require("resty.etcd.base.file_status")
local files = require("resty.etcd.base.files")
local open_files = require("resty.etcd.base.open_file")
local file_access = require("resty.etcd.storage.file_access")
local file_readers = require("resty.etcd.storage.file_reader")
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local temp_files = require("resty.etcd.storage.temp_files")
local time_slice = require("resty.etcd.base.time_slice")

--- The full state that a snapshot file holds.
---@class resty.etcd.storage.snapshot_file.Snapshot
---@field identity string Names the content: endpoints, user and keys. A file with another identity is rejected.
---@field revision number
---@field last_received_at number Time of the last response from etcd, in seconds since 1970.
---@field kvs resty.etcd.protocol.message.RawKv[] In the order of their bytes.

local crc32 = ngx.crc32_long
local format = string.format
local match = string.match

--- First line of a file. A change of the format needs another number.
local MAGIC = "resty.etcd snapshot 1\n"

--- Approximate number of bytes that are encoded, written and read between two yields.
local CHUNK_SIZE = 64 * 1024

--- Longest line in bytes, which are shorter than that.
local MAX_LINE_LENGTH = 200
local DAMAGED = "damaged or truncated"

--- Returns a line: the text and its checksum.
---@param text string
---@return string
local function with_checksum(text)
    return text .. " " .. format(
        "%08x",
        crc32(text)
    ) .. "\n"
end

--- Returns the text of a line, or nil if it does not match its checksum.
---@param line string?
---@return string?
local function verify_line(line)
    if line == nil then
        return nil
    end
    local text, sum = match(line, "^(.*) (%x%x%x%x%x%x%x%x)$")
    if text == nil or tonumber(sum, 16) ~= crc32(text) then
        return nil
    end
    return text
end

--- Writes the keys in chunks. A line in front of each states its number, size and checksum.
---@param file resty.etcd.base.open_file.OpenFile
---@param kvs resty.etcd.protocol.message.RawKv[]
---@return number? chunks
---@return string? err
local function write_kvs(file, kvs)
    local slice = time_slice.start()
    local n = #kvs
    local parts = {}
    local size = 0
    local chunks = 0
    for i = 1, n do
        local part = kv_encoding.encode(kvs[i], false)
        parts[#parts + 1] = part
        size = size + #part
        if size >= CHUNK_SIZE or i == n then
            local bytes = table.concat(parts, "")
            chunks = chunks + 1
            local line = with_checksum(format(
                "chunk %d %d %08x",
                chunks,
                size,
                crc32(bytes)
            ))
            local err = open_files.write(file, line .. bytes)
            if err ~= nil then
                return nil, err
            end
            parts = {}
            size = 0
        end
        time_slice.yield_if_due(slice)
    end
    return chunks
end

--- Writes a snapshot to an open file. Returns an error, or nil.
---@param file resty.etcd.base.open_file.OpenFile
---@param snapshot resty.etcd.storage.snapshot_file.Snapshot
---@return string?
local function write_to(file, snapshot)
    local kvs = snapshot.kvs
    local header = format(
        "%s %d %d",
        ngx.md5(snapshot.identity),
        snapshot.revision,
        snapshot.last_received_at
    )
    local err = open_files.write(
        file,
        MAGIC .. with_checksum(header)
    )
    if err ~= nil then
        return err
    end
    local chunks, chunk_err = write_kvs(file, kvs)
    if chunks == nil then
        return chunk_err
    end
    return open_files.write(
        file,
        with_checksum(format("end %d %d", chunks, #kvs))
    )
end

--- Moves a complete file to its path. Returns an error, or nil.
---@param file resty.etcd.base.open_file.OpenFile
---@param temp_path string
---@param path string
---@return string?
local function replace(file, temp_path, path)
    if not file_status.is_at_path(file, temp_path) then
        return "the temporary file was removed meanwhile"
    end
    local renamed, err = os.rename(temp_path, path)
    local ____temp_0
    if renamed == true then
        ____temp_0 = nil
    else
        ____temp_0 = err
    end
    return ____temp_0
end

--- Replaces the snapshot file atomically: a reader finds the old one or the new one. Yields.
---@param path string
---@param snapshot resty.etcd.storage.snapshot_file.Snapshot
---@return true? res
---@return string? err
local function write(path, snapshot)
    local file, temp_path_or_err = temp_files.create(path)
    if file == nil then
        return nil, temp_path_or_err
    end
    local ok, result = pcall(write_to, file, snapshot)
    local ____ok_1
    if ok then
        ____ok_1 = result
    else
        ____ok_1 = error_text.of(result, "no reason")
    end
    local err = ____ok_1
    if err == nil then
        err = replace(file, temp_path_or_err, path)
    end
    open_files.close(file)
    if err == nil then
        return true
    end
    os.remove(temp_path_or_err)
    return nil, path .. ": " .. err
end

--- Returns the next line, without its checksum; nil if it is damaged.
---@param reader resty.etcd.storage.file_reader.FileReader
---@return string?
local function read_line(reader)
    return verify_line(file_readers.read_line(reader, MAX_LINE_LENGTH))
end

--- Reads chunks until the line that ends them. Nothing must follow it.
---@param reader resty.etcd.storage.file_reader.FileReader
---@return resty.etcd.protocol.message.RawKv[]? res
---@return string? err
local function read_kvs(reader)
    local slice = time_slice.start()
    local kvs = {}
    local chunks = 0
    while true do
        local line = read_line(reader)
        if line == nil then
            return nil, DAMAGED
        end
        local number, size, sum = match(line, "^chunk (%d+) (%d+) (%x+)$")
        if number == nil then
            if line ~= format("end %d %d", chunks, #kvs) or not file_readers.is_at_end(reader) then
                return nil, "damaged: chunks are missing, or data follows the end"
            end
            return kvs
        end
        chunks = chunks + 1
        local bytes = file_readers.read_bytes(
            reader,
            decimal.parse(size) or math.huge
        )
        local is_intact = bytes ~= nil and crc32(bytes) == tonumber(sum, 16)
        if not is_intact or decimal.parse(number) ~= chunks or not kv_encoding.decode_kvs(bytes, kvs, slice) then
            return nil, DAMAGED
        end
    end
end

local function read_from(file, identity)
    local reader = file_readers.new(file)
    local magic = file_readers.read_bytes(reader, #MAGIC)
    if magic ~= MAGIC then
        return nil, "not a snapshot file of this version"
    end
    local identity_md5, revision_text, time_text = match(
        read_line(reader) or "",
        "^(%x+) (%d+) (%d+)$"
    )
    local revision = decimal.parse(revision_text)
    local last_received_at = decimal.parse(time_text)
    if revision == nil or last_received_at == nil then
        return nil, DAMAGED
    end
    if identity_md5 ~= ngx.md5(identity) then
        return nil, "snapshot of other keys, or of a client with other options"
    end
    local kvs, err = read_kvs(reader)
    if kvs == nil then
        return nil, err
    end
    return {identity = identity, revision = revision, last_received_at = last_received_at, kvs = kvs}
end

--- Reads a snapshot file, as a whole or not at all. Yields.
---@param path string
---@param identity string
---@return resty.etcd.storage.snapshot_file.Snapshot? snapshot # the snapshot; or nil, why it cannot be used, and whether the file exists
---@return string? err
---@return boolean exists
local function read(path, identity)
    if not files.exists(path) then
        return nil, path .. ": No such file or directory", false
    end
    local file, open_err = files.open_regular(path, false)
    if file == nil then
        return nil, path .. ": " .. open_err, true
    end
    local problem = file_access.check_trusted(path, file)
    if problem ~= nil then
        open_files.close(file)
        return nil, path .. ": " .. problem, true
    end
    local snapshot, err = read_from(file, identity)
    open_files.close(file)
    if snapshot == nil then
        return nil, path .. ": " .. err, true
    end
    return snapshot, nil, true
end
_M.read = read
_M.write = write

return _M
