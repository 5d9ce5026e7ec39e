-- Generated from src/resty/etcd/api/member_urls.ts by TypeScriptToLua. Do not edit.
local _M = {}
local endpoints = require("resty.etcd.endpoint.endpoint")
local urls = require("resty.etcd.endpoint.url")
local min = math.min

--- Maximum members of a list: clusters of etcd have 3 to 7, and each unknown address is asked by a separate connection.
local MAX_MEMBERS = 64

--- Maximum client URLs of a member that are looked at.
local MAX_URLS = 16

--- A member that serves clients.
---@class resty.etcd.api.member_urls.Member
---@field id string
---@field endpoint resty.etcd.endpoint.endpoint.Endpoint

--- What a list of members offers to a client.
---@class resty.etcd.api.member_urls.Offer
---@field members resty.etcd.api.member_urls.Member[]
---@field weaker string[] Client URLs of the other members: none of them is protected well enough.

--- Returns the schemes of network addresses that a client can adopt, the preferred one first: only https if the program
--- gave an endpoint with TLS, and none if it gave unix sockets only.
---@param given resty.etcd.endpoint.endpoint.Endpoint[]
---@return ("http"|"https")[]
local function schemes_for(given)
    local has_plain = false
    for ____, one in ipairs(given) do
        local ____temp_0
        if type(one.full_prefix) == "string" then
            ____temp_0 = urls.parse(one.full_prefix)
        else
            ____temp_0 = nil
        end
        local target = ____temp_0
        if (target and target.port) ~= nil then
            if target.scheme == "https" then
                return {"https"}
            end
            has_plain = true
        end
    end
    return has_plain and ({"http", "https"}) or ({})
end

local function has_host(given, http_host)
    for ____, one in ipairs(given) do
        if one.http_host == http_host then
            return true
        end
    end
    return false
end

--- Returns the endpoint for a member: its first URL with the preferred scheme, or else an endpoint that the program gave.
---@param candidates resty.etcd.endpoint.endpoint.Endpoint[]
---@param schemes ("http"|"https")[]
---@param given resty.etcd.endpoint.endpoint.Endpoint[]
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function choose(candidates, schemes, given)
    for ____, scheme in ipairs(schemes) do
        for ____, one in ipairs(candidates) do
            if one.scheme == scheme and one.port ~= nil then
                return one
            end
        end
    end
    for ____, one in ipairs(candidates) do
        if has_host(given, one.http_host) then
            return one
        end
    end
    return nil
end

local function parse_all(texts, api_prefix)
    local parsed = {}
    for i = 1, min(#texts, MAX_URLS) do
        local one = endpoints.new(texts[i], api_prefix)
        if one ~= nil then
            parsed[#parsed + 1] = one
        end
    end
    return parsed
end

--- Returns what a list of members offers. Learners, and members that have not started, are left out.
---@param list table[]
---@param api_prefix string
---@param schemes ("http"|"https")[] of `schemes_for`
---@param given resty.etcd.endpoint.endpoint.Endpoint[] the endpoints that the program gave
---@return resty.etcd.api.member_urls.Offer
local function offer_of(list, api_prefix, schemes, given)
    local members = {}
    local weaker = {}
    for ____, member in ipairs(list) do
        if member.isLearner ~= true then
            local candidates = parse_all(member.clientURLs or ({}), api_prefix)
            local chosen = choose(candidates, schemes, given)
            if chosen ~= nil then
                members[#members + 1] = {
                    id = tostring(member.ID),
                    endpoint = chosen
                }
            else
                for ____, one in ipairs(candidates) do
                    weaker[#weaker + 1] = one.http_host
                end
            end
        end
    end
    return {members = members, weaker = weaker}
end
_M.MAX_MEMBERS = MAX_MEMBERS
_M.has_host = has_host
_M.offer_of = offer_of
_M.schemes_for = schemes_for

return _M
