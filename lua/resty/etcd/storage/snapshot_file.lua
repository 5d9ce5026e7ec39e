-- Generated from src/resty/etcd/storage/snapshot_file.ts by TypeScriptToLua. Do not edit.
local _M = {}
local files = require("resty.etcd.base.files")
local file_access = require("resty.etcd.storage.file_access")
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local time_slice = require("resty.etcd.base.time_slice")

--- The full state that a snapshot file holds.
---@class resty.etcd.storage.snapshot_file.Snapshot
---@field identity string Names the content: endpoints, user and keys. A file with another identity is rejected.
---@field revision number
---@field last_received_at number Time of the last response from etcd, in seconds since 1970.
---@field kvs resty.etcd.protocol.message.RawKv[] In the order of their bytes.

--- `close` as LuaJIT has it.
---@class resty.etcd.storage.snapshot_file.ClosableFile
---@field close fun(self: resty.etcd.storage.snapshot_file.ClosableFile): true?, string?

local open = io.open
local crc32 = ngx.crc32_long
local format = string.format
local match = string.match

--- First line of a file. A change of the format needs another number.
local MAGIC = "resty.etcd snapshot 1\n"

--- Approximate number of bytes that are encoded, written and read between two yields.
local CHUNK_SIZE = 64 * 1024
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
---@param file table
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
            local ok, err = file:write(
                with_checksum(format(
                    "chunk %d %d %08x",
                    chunks,
                    size,
                    crc32(bytes)
                )),
                bytes
            )
            if ok == nil then
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
---@param file table
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
    local ok, err = file:write(
        MAGIC,
        with_checksum(header)
    )
    if ok == nil then
        return err
    end
    local chunks, chunk_err = write_kvs(file, kvs)
    if chunks == nil then
        return chunk_err
    end
    local ended, end_err = file:write(with_checksum(format("end %d %d", chunks, #kvs)))
    if ended == nil then
        return end_err
    end
    return nil
end

--- Replaces the snapshot file atomically: a reader finds the old one or the new one. Yields.
---@param path string
---@param snapshot resty.etcd.storage.snapshot_file.Snapshot
---@return true? res
---@return string? err
local function write(path, snapshot)
    local temp_path = path .. "." .. tostring(ngx.worker.pid()) .. ".tmp"
    local create_err = file_access.create_private(temp_path)
    if create_err ~= nil then
        return nil, create_err
    end
    local file, open_err = open(temp_path, "wb")
    if file == nil then
        return nil, open_err
    end
    local err = write_to(file, snapshot)
    local closed, close_err = file:close()
    if err == nil and closed == nil then
        err = close_err
    end
    if err == nil then
        local renamed, rename_err = os.rename(temp_path, path)
        if renamed == true then
            return true
        end
        err = rename_err
    end
    os.remove(temp_path)
    return nil, path .. ": " .. err
end

--- Reads chunks until the line that ends them. Nothing must follow it.
---@param file table
---@return resty.etcd.protocol.message.RawKv[]? res
---@return string? err
local function read_kvs(file)
    local slice = time_slice.start()
    local kvs = {}
    local chunks = 0
    while true do
        local line = verify_line(file:read("*l"))
        if line == nil then
            return nil, DAMAGED
        end
        local number, size, sum = match(line, "^chunk (%d+) (%d+) (%x+)$")
        if number == nil then
            if line ~= format("end %d %d", chunks, #kvs) or file:read(1) ~= nil then
                return nil, "damaged: chunks are missing, or data follows the end"
            end
            return kvs
        end
        chunks = chunks + 1
        local bytes = file:read(tonumber(size))
        local is_intact = bytes ~= nil and #bytes == tonumber(size) and crc32(bytes) == tonumber(sum, 16)
        if not is_intact or tonumber(number) ~= chunks then
            return nil, DAMAGED
        end
        if not kv_encoding.decode_kvs(bytes, kvs, slice) then
            return nil, DAMAGED
        end
    end
end

local function read_from(file, identity)
    local magic = file:read(#MAGIC)
    if magic ~= MAGIC then
        return nil, "not a snapshot file of this version"
    end
    local header = verify_line(file:read("*l"))
    local identity_md5, revision, last_received_at = match(header or "", "^(%x+) (%d+) (%d+)$")
    if identity_md5 == nil then
        return nil, DAMAGED
    end
    if identity_md5 ~= ngx.md5(identity) then
        return nil, "snapshot of other keys, or of a client with other options"
    end
    local kvs, err = read_kvs(file)
    if kvs == nil then
        return nil, err
    end
    return {
        identity = identity,
        revision = tonumber(revision),
        last_received_at = tonumber(last_received_at),
        kvs = kvs
    }
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
    local special = files.check_readable(path)
    if special ~= nil then
        return nil, path .. ": " .. special, true
    end
    local file, open_err = open(path, "rb")
    if file == nil then
        return nil, open_err, true
    end
    local problem = file_access.check_trusted(path, file)
    if problem ~= nil then
        file:close()
        return nil, path .. ": " .. problem, true
    end
    local snapshot, err = read_from(file, identity)
    file:close()
    if snapshot == nil then
        return nil, path .. ": " .. err, true
    end
    return snapshot, nil, true
end
_M.read = read
_M.write = write

return _M
