-- Generated from src/resty/etcd/endpoint/dns.ts by TypeScriptToLua. Do not edit.
local _M = {}
local find = string.find
local match = string.match
local sub = string.sub
local max = math.max

---@class resty.etcd.endpoint.dns.Answer
---@field type number
---@field address? string

---@class resty.etcd.endpoint.dns.Answers
---@field errstr? string Set where the nameserver has no answer.

---@class resty.etcd.endpoint.dns.Resolver
---@field query fun(self: resty.etcd.endpoint.dns.Resolver, host: string, opts: table): table<number, resty.etcd.endpoint.dns.Answer>?, string?

---@class resty.etcd.endpoint.dns.ResolverOptions
---@field nameservers (string|table<number, (string|number)?>)[]
---@field timeout number Milliseconds for one try.
---@field retrans number Tries, by turns at each nameserver.
---@field no_random boolean

--- The part of lua-resty-dns that is used.
---@class resty.etcd.endpoint.dns.Library
---@field new fun(self: resty.etcd.endpoint.dns.Library, opts: resty.etcd.endpoint.dns.ResolverOptions): resty.etcd.endpoint.dns.Resolver?, string?
---@field compress_ipv6_addr fun(address: string): string

local RESOLV_CONF = "/etc/resolv.conf"
local DNS_PORT = 53
local TRY_MS = 1000
local MIN_TRIES = 3

--- Record types.
local A = 1
local AAAA = 28
local WHOLE_V4 = "^%d+%.%d+%.%d+%.%d+$"
local WHOLE_V6 = "^%x+" .. string.rep(":%x+", 7) .. "$"

--- The library; nil where it is not installed.
---@return resty.etcd.endpoint.dns.Library?
local function find_library()
    local found, module = pcall(require, "resty.dns.resolver")
    return found and type(module) == "table" and module or nil
end

--- True where lua-resty-dns is installed.
---@return boolean
local function is_installed()
    return find_library() ~= nil
end

--- nginx wants an IPv6 address in brackets.
---@param address string
---@return string
local function bracketed(address)
    local colon = find(address, ":", 1, true)
    return colon ~= nil and sub(address, 1, 1) ~= "[" and "[" .. address .. "]" or address
end

--- The nameservers that a `resolv.conf` names. nginx cannot use addresses with a zone.
---@param text string
---@return (string|table<number, (string|number)?>)[]
local function in_resolv_conf(text)
    local found = {}
    for address in string.gmatch("\n" .. text .. "\n", "\nnameserver[ \t]+([%x:.]+)%f[%s]") do
        found[#found + 1] = {
            bracketed(address),
            DNS_PORT
        }
    end
    return found
end

--- The nameservers of this machine.
---@return (string|table<number, (string|number)?>)[]? res
---@return string? err
local function system_nameservers()
    local file, err = io.open(RESOLV_CONF)
    if file == nil then
        return nil, err
    end
    local text = file:read("*a")
    file:close()
    local found = in_resolv_conf(text or "")
    if #found == 0 then
        return nil, "no nameserver in " .. RESOLV_CONF
    end
    return found
end

--- A user's nameserver in a table of our own, as the library writes to what it is given; nil if it is none.
---@param value any
---@return (string|table<number, (string|number)?>)?
local function to_nameserver(value)
    local host = value
    local port = DNS_PORT
    if type(value) == "table" then
        local pair = value
        host = pair[1]
        if pair[2] ~= nil then
            port = pair[2]
        end
    end
    if type(host) ~= "string" or type(port) ~= "number" then
        return nil
    end
    return {
        bracketed(host),
        port
    }
end

--- Checks what a user gives for nameservers.
---@param given any
---@return (string|table<number, (string|number)?>)[]? res
---@return string? err
local function check_nameservers(given)
    local wrong = "opts.resolve.nameservers must be array of addresses or of {address, port}"
    if type(given) ~= "table" then
        return nil, wrong
    end
    local found = {}
    for ____, value in ipairs(given) do
        local nameserver = to_nameserver(value)
        if nameserver == nil then
            return nil, wrong
        end
        found[#found + 1] = nameserver
    end
    if #found == 0 then
        return nil, wrong
    end
    return found
end

--- An address as the library writes it, in its short form; nil for one that was cut off with the answer.
---@param library resty.etcd.endpoint.dns.Library
---@param address string
---@param qtype number
---@return string?
local function whole_address(library, address, qtype)
    local whole = match(address, qtype == A and WHOLE_V4 or WHOLE_V6)
    if whole == nil or qtype == A then
        return whole
    end
    return library.compress_ipv6_addr(whole)
end

--- The addresses among the answers, each once, in an order that stays the same while they do.
---@param library resty.etcd.endpoint.dns.Library
---@param answers resty.etcd.endpoint.dns.Answer[]
---@param qtype number
---@return string[]? res
---@return string? err
local function addresses_in(library, answers, qtype)
    local all = {}
    for ____, answer in ipairs(answers) do
        if answer.type == qtype then
            local address = whole_address(library, answer.address or "", qtype)
            if address == nil then
                return nil, "malformed answer"
            end
            all[#all + 1] = address
        end
    end
    table.sort(all)
    local found = {}
    for ____, address in ipairs(all) do
        if address ~= found[#found] then
            found[#found + 1] = address
        end
    end
    return found
end

--- The library may throw on what a hostile server sends.
---@generic T
---@param ok boolean
---@param value any
---@param err any
---@return T? res
---@return string? err
local function guarded(ok, value, err)
    if not ok then
        return nil, tostring(value)
    end
    if value == nil then
        return nil, tostring(err)
    end
    return value
end

--- Asks for the addresses of a host, which may take some seconds.
---@param nameservers (string|table<number, (string|number)?>)[]
---@param host string
---@param qtype number `A` or `AAAA`
---@return string[]? res # the addresses, which may be none; or nil and why nobody knows
---@return string? err
local function ask(nameservers, host, qtype)
    local library = find_library()
    local retrans = max(MIN_TRIES, #nameservers)
    local opts = {nameservers = nameservers, timeout = TRY_MS, retrans = retrans, no_random = true}
    local made, found, find_err = pcall(library.new, library, opts)
    local resolver, make_err = guarded(made, found, find_err)
    if resolver == nil then
        return nil, make_err
    end
    local done, got, got_err = pcall(resolver.query, resolver, host, {qtype = qtype})
    local answers, err = guarded(done, got, got_err)
    if answers == nil then
        return nil, err
    end
    if answers.errstr ~= nil then
        return nil, answers.errstr
    end
    return addresses_in(library, answers, qtype)
end
_M.A = A
_M.AAAA = AAAA
_M.ask = ask
_M.check_nameservers = check_nameservers
_M.in_resolv_conf = in_resolv_conf
_M.is_installed = is_installed
_M.system_nameservers = system_nameservers

return _M
