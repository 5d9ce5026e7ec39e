-- Generated from src/resty/etcd/discovery/address.ts by TypeScriptToLua. Do not edit.
local _M = {}
local byte = string.byte
local find = string.find
local gmatch = string.gmatch
local match = string.match
local sub = string.sub

--- Length of the longest IPv6 address, without brackets.
local MAX_LENGTH = 45

--- Length of the longest name that DNS knows.
local MAX_NAME_LENGTH = 253
local MAX_LABEL_LENGTH = 63

--- Reports whether digits are a byte of an IPv4 address. With a leading zero, some programs take them for octal.
---@param digits string?
---@return boolean
local function is_byte(digits)
    return digits ~= nil and (digits == "0" or byte(digits) ~= 48) and tonumber(digits) <= 255
end

--- Reports whether a text is an IPv4 address with four decimal numbers.
---@param host string
---@return boolean
local function is_ipv4(host)
    local a, b, c, d = match(host, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
    return is_byte(a) and is_byte(b) and is_byte(c) and is_byte(d)
end

--- Counts the groups of 16 bits in a part of an IPv6 address that has no `::`.
---@param part string
---@param is_end boolean whether it is the end of the address, which can have the form of IPv4
---@return number? # nil if the part is invalid
local function count_groups(part, is_end)
    if part == "" then
        return 0
    end
    local count = 0
    local from = 1
    while from <= #part + 1 do
        local colon = find(part, ":", from, true)
        local end_at = colon or #part + 1
        local group = sub(part, from, end_at - 1)
        from = end_at + 1
        if (find(group, "^%x%x?%x?%x?$")) ~= nil then
            count = count + 1
        elseif is_end and end_at > #part and is_ipv4(group) then
            count = count + 2
        else
            return nil
        end
    end
    return count
end

--- Reports whether a text is an IPv6 address without brackets.
---@param text string
---@return boolean
local function is_ipv6(text)
    if #text > MAX_LENGTH then
        return false
    end
    local gap = find(text, "::", 1, true)
    if gap == nil then
        return count_groups(text, true) == 8
    end
    local before = count_groups(
        sub(text, 1, gap - 1),
        false
    )
    local after = count_groups(
        sub(text, gap + 2),
        true
    )
    return before ~= nil and after ~= nil and before + after <= 7
end

--- Returns an IP address in the form that nginx's `set_current_peer` accepts, IPv6 in brackets; nil for other hosts.
---@param host string
---@return string?
local function normalize(host)
    if is_ipv4(host) then
        return host
    end
    local is_bracketed = byte(host) == 91 and byte(host, -1) == 93
    local address = is_bracketed and sub(host, 2, -2) or host
    return is_ipv6(address) and "[" .. address .. "]" or nil
end

--- Reports whether a text is a host name: labels of letters, digits, `-` and `_`. The last label contains a letter, because
--- programs take other names for IPv4 addresses.
---@param text string
---@return boolean
local function is_hostname(text)
    local named = find(text, "^[%w_][%w_%-%.]*$")
    local gap = find(text, "..", 1, true)
    if named == nil or gap ~= nil or #text > MAX_NAME_LENGTH then
        return false
    end
    local last = ""
    for label in gmatch(text, "[^.]+") do
        last = label
        if #last > MAX_LABEL_LENGTH then
            return false
        end
    end
    return (find(last, "%a")) ~= nil
end
_M.is_hostname = is_hostname
_M.normalize = normalize

return _M
