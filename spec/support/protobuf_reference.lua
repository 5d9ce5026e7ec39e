-- A decoder of protobuf messages that is as plain as possible: what the driver's decoder must return for any bytes.
local ffi = require "ffi"
local bit = require "bit"

local _M = {}

local MAX_DEPTH = 100

-- Reads a varint. Returns a uint64 and the next position, or nil.
local function varint(s, at)
    local value = 0ULL
    for i = 0, 9 do
        local byte = s:byte(at + i)
        if not byte or i == 9 and byte > 1 then
            return nil
        end
        value = bit.bor(value, bit.lshift(bit.band(byte, 127) + 0ULL, 7 * i))
        if byte < 128 then
            return value, at + i + 1
        end
    end
end

local function decimal(number)
    return (tostring(number):gsub("U?LL$", ""))
end

-- Returns the value of a scalar or an enum, nil if it is invalid.
local function convert(field, raw)
    if field.scalar == "int64" then
        return decimal(ffi.cast("int64_t", raw))
    elseif field.scalar == "uint64" then
        return decimal(raw)
    elseif field.scalar == "bool" then
        return raw ~= 0
    end
    for name, number in pairs(field.values) do
        if raw == number + 0ULL then
            return name
        end
    end
end

local function is_zero(field, value)
    if field.scalar == "int64" or field.scalar == "uint64" then
        return value == "0"
    end
    return value == false or value == "" or field.values and field.values[value] == 0
end

local function set(into, name, field, value)
    if field.repeated then
        into[name] = into[name] or {}
        table.insert(into[name], value)
    elseif not field.message and is_zero(field, value) then
        into[name] = nil
    else
        into[name] = value
    end
end

-- Returns the message, or nil if the bytes are malformed.
local function decode(message, s, depth, into)
    local by_number = {}
    for name, field in pairs(message) do
        by_number[field.number] = { name, field }
    end
    into = into or {}
    if depth > MAX_DEPTH then
        return nil
    end
    local at = 1
    while at <= #s do
        local tag, next_at = varint(s, at)
        if not tag or tag < 8 or tag >= 2 ^ 32 or s:byte(next_at - 1) == 0 and next_at - at > 1 then
            return nil
        end
        local wire = tonumber(tag % 8)
        local found = by_number[tonumber(tag / 8)]
        local name, field = found and found[1], found and found[2]
        local is_bytes = field and (field.message or field.scalar == "bytes" or field.scalar == "string")
        at = next_at
        if wire == 0 then
            local raw
            raw, at = varint(s, at)
            if not raw then
                return nil
            end
            if field and not is_bytes then
                local value = convert(field, raw)
                if value == nil then
                    return nil
                end
                set(into, name, field, value)
            end
        elseif wire == 1 or wire == 5 then
            at = at + (wire == 1 and 8 or 4)
        elseif wire == 2 then
            local length
            length, at = varint(s, at)
            if not length or length > #s then
                return nil
            end
            local content = s:sub(at, at + tonumber(length) - 1)
            at = at + tonumber(length)
            if #content < length then
                return nil
            end
            if field and field.message then
                local value = decode(field.message, content, depth + 1, not field.repeated and into[name] or nil)
                if not value then
                    return nil
                end
                set(into, name, field, value)
            elseif is_bytes then
                set(into, name, field, content)
            elseif field and field.repeated then
                local from = 1
                into[name] = into[name] or {}
                while from <= #content do
                    local raw
                    raw, from = varint(content, from)
                    local value = raw and convert(field, raw)
                    if value == nil then
                        return nil
                    end
                    set(into, name, field, value)
                end
            end
        else
            return nil
        end
    end
    return at == #s + 1 and into or nil
end

function _M.decode(message, s)
    return decode(message, s, 0)
end

return _M
