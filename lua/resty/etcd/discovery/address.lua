-- Generated from src/resty/etcd/discovery/address.ts by TypeScriptToLua. Do not edit.
local _M = {}
local find = string.find
local gmatch = string.gmatch
local match = string.match
local max = math.max
local sub = string.sub

--- Length of the longest IPv6 address, without brackets.
local MAX_LENGTH = 45

local function is_ipv4(host)
    local a, b, c, d = match(host, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
    return a ~= nil and max(
        tonumber(a),
        tonumber(b),
        tonumber(c),
        tonumber(d)
    ) <= 255
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
    local end_at = 0
    for match_of_group in gmatch(part .. ":", "([^:]*):") do
        local group = match_of_group
        end_at = end_at + #group + 1
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
    local inner = match(host, "^%[(.*)%]$")
    local address = inner or host
    return is_ipv6(address) and "[" .. address .. "]" or nil
end
_M.normalize = normalize

return _M
