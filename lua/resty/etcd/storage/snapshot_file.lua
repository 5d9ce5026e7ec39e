-- Generated from src/resty/etcd/storage/snapshot_file.ts by TypeScriptToLua. Do not edit.
local _M = {}
local kv_encoding = require("resty.etcd.storage.kv_encoding")
local time_slice = require("resty.etcd.base.time_slice")

--- A state in a file.
---@class resty.etcd.storage.snapshot_file.Snapshot
---@field identity string What it is a state of: nobody else may read it.
---@field revision number
---@field last_received_at number Seconds since 1970 at which etcd was last heard of.
---@field kvs resty.etcd.protocol.message.RawKv[] In the order of their bytes.

---@class resty.etcd.storage.snapshot_file.Closing
---@field close fun(self: resty.etcd.storage.snapshot_file.Closing): true?, string?

local open = io.open
local crc32 = ngx.crc32_long
local format = string.format
local match = string.match

--- In front of everything; another layout has another number.
local MAGIC = "resty.etcd snapshot 1\n"

--- About as many bytes are encoded, written and read at a time.
local CHUNK = 64 * 1024

--- Error number of the system for a file that does not exist.
local MISSING = 2

--- Lines end with a checksum of what is before it.
---@param text string
---@return string
local function sealed(text)
    return text .. " " .. format(
        "%08x",
        crc32(text)
    ) .. "\n"
end

local function unsealed(line)
    if line == nil then
        return nil
    end
    local text, sum = match(line, "^(.*) (%x%x%x%x%x%x%x%x)$")
    if text == nil or tonumber(sum, 16) ~= crc32(text) then
        return nil
    end
    return text
end

--- Writes the keys in chunks, each with a line in front of it that says what is in it.
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
        if size >= CHUNK or i == n then
            local bytes = table.concat(parts, "")
            chunks = chunks + 1
            local ok, err = file:write(
                sealed(format(
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

--- Writes all of it; nil, or why it could not.
---@param file table
---@param snapshot resty.etcd.storage.snapshot_file.Snapshot
---@return string?
local function write_to(file, snapshot)
    local kvs = snapshot.kvs
    local head = format(
        "%s %d %d",
        ngx.md5(snapshot.identity),
        snapshot.revision,
        snapshot.last_received_at
    )
    local ok, err = file:write(
        MAGIC,
        sealed(head)
    )
    if ok == nil then
        return err
    end
    local chunks, chunk_err = write_kvs(file, kvs)
    if chunks == nil then
        return chunk_err
    end
    local ended, end_err = file:write(sealed(format("end %d %d", chunks, #kvs)))
    if ended == nil then
        return end_err
    end
    return nil
end

--- Writes a snapshot in the place of the one that is there, in one step: a reader finds the old one or the new one.
--- Others run meanwhile.
---@param path string
---@param snapshot resty.etcd.storage.snapshot_file.Snapshot
---@return true? res
---@return string? err
local function write(path, snapshot)
    local aside = path .. "." .. tostring(ngx.worker.pid()) .. ".tmp"
    local file, open_err = open(aside, "wb")
    if file == nil then
        return nil, open_err
    end
    local err = write_to(file, snapshot)
    local closed, close_err = file:close()
    if err == nil and closed == nil then
        err = close_err
    end
    if err == nil then
        local renamed, rename_err = os.rename(aside, path)
        if renamed == true then
            return true
        end
        err = rename_err
    end
    os.remove(aside)
    return nil, path .. ": " .. err
end

--- Reads chunks until the line that ends them.
---@param file table
---@return resty.etcd.protocol.message.RawKv[]? res
---@return string? err
local function read_kvs(file)
    local slice = time_slice.start()
    local kvs = {}
    local chunks = 0
    while true do
        local line = unsealed(file:read("*l"))
        if line == nil then
            return nil, "damaged, or cut off"
        end
        local number, size, sum = match(line, "^chunk (%d+) (%d+) (%x+)$")
        if number == nil then
            if line ~= format("end %d %d", chunks, #kvs) or file:read(1) ~= nil then
                return nil, "damaged: not all of it is there, or more"
            end
            return kvs
        end
        chunks = chunks + 1
        local bytes = file:read(tonumber(size))
        local is_whole = bytes ~= nil and #bytes == tonumber(size) and crc32(bytes) == tonumber(sum, 16)
        if not is_whole or tonumber(number) ~= chunks then
            return nil, "damaged, or cut off"
        end
        kv_encoding.decode_kvs(bytes, kvs, slice)
    end
end

local function read_from(file, identity)
    local magic = file:read(#MAGIC)
    if magic ~= MAGIC then
        return nil, "not a snapshot, or one of another version"
    end
    local head = unsealed(file:read("*l"))
    local whose, revision, heard_at = match(head or "", "^(%x+) (%d+) (%d+)$")
    if whose == nil then
        return nil, "damaged, or cut off"
    end
    if whose ~= ngx.md5(identity) then
        return nil, "a snapshot of other endpoints or keys"
    end
    local kvs, err = read_kvs(file)
    if kvs == nil then
        return nil, err
    end
    return {
        identity = identity,
        revision = tonumber(revision),
        last_received_at = tonumber(heard_at),
        kvs = kvs
    }
end

--- Reads a snapshot. Others run meanwhile.
---@param path string
---@param identity string
---@return resty.etcd.storage.snapshot_file.Snapshot? snapshot # nil, why it is not used (all of it is, or nothing), and whether there is a file at all
---@return string? err
---@return boolean is_there
local function read(path, identity)
    local file, open_err, code = open(path, "rb")
    if file == nil then
        return nil, open_err, code ~= MISSING
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
