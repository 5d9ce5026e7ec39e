-- Generated from src/resty/etcd/transport/grpc/hpack_table.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- The tables of HPACK (RFC 7541): the static one, and the dynamic one of a connection.
---@class resty.etcd.transport.grpc.hpack_table.HeaderField
---@field name string
---@field value string

--- Fields that the peer has added, up to a size. The newest one has the highest number.
---@class resty.etcd.transport.grpc.hpack_table.DynamicTable
---@field fields table
---@field oldest number Number of the oldest field.
---@field newest number Number of the newest field.
---@field size number Size of the fields in bytes, `OVERHEAD` included.
---@field capacity number Size in bytes up to which fields are kept; the peer chooses it.

--- Bytes that each field counts in addition to its name and value (section 4.1).
local OVERHEAD = 32

--- Appendix A: names, and behind a space their values.
local STATIC_TEXT = ":authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|" .. ":status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|" .. "accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|" .. "content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|" .. "cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|" .. "last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|" .. "server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"
local static_fields = {}
for name, value in string.gmatch(STATIC_TEXT, "([^ |]+) ?([^|]*)") do
    static_fields[#static_fields + 1] = {name = name, value = value}
end

--- Number of fields in the static table; the dynamic one follows it.
local STATIC_LENGTH = #static_fields

local function create(capacity)
    return {
        fields = {},
        oldest = 1,
        newest = 0,
        size = 0,
        capacity = capacity
    }
end

local function size_of(field)
    return #field.name + #field.value + OVERHEAD
end

--- Removes the oldest fields until the others have at most `limit` bytes.
---@param dynamic resty.etcd.transport.grpc.hpack_table.DynamicTable
---@param limit number
local function evict(dynamic, limit)
    while dynamic.size > limit do
        local oldest = dynamic.oldest
        dynamic.size = dynamic.size - size_of(dynamic.fields[oldest])
        dynamic.fields[oldest] = nil
        dynamic.oldest = oldest + 1
    end
end

--- Sets the capacity, and removes the fields beyond it.
---@param dynamic resty.etcd.transport.grpc.hpack_table.DynamicTable
---@param capacity number
local function resize(dynamic, capacity)
    dynamic.capacity = capacity
    evict(dynamic, capacity)
end

--- Adds a field. A field that is larger than the capacity empties the table.
---@param dynamic resty.etcd.transport.grpc.hpack_table.DynamicTable
---@param field resty.etcd.transport.grpc.hpack_table.HeaderField
local function add(dynamic, field)
    local size = size_of(field)
    if size > dynamic.capacity then
        evict(dynamic, 0)
        return
    end
    evict(dynamic, dynamic.capacity - size)
    dynamic.newest = dynamic.newest + 1
    dynamic.fields[dynamic.newest] = field
    dynamic.size = dynamic.size + size
end

--- Returns the field at an index of both tables, or nil if there is none.
---@param dynamic resty.etcd.transport.grpc.hpack_table.DynamicTable
---@param index number
---@return resty.etcd.transport.grpc.hpack_table.HeaderField?
local function get(dynamic, index)
    if index <= STATIC_LENGTH then
        return static_fields[index]
    end
    return dynamic.fields[dynamic.newest - (index - STATIC_LENGTH - 1)]
end
_M.OVERHEAD = OVERHEAD
_M.add = add
_M.new = create
_M.get = get
_M.resize = resize

return _M
