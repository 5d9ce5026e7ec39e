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
---@field errstr? string Set if the nameserver returned an error.

---@class resty.etcd.endpoint.dns.Resolver
---@field query fun(self: resty.etcd.endpoint.dns.Resolver, host: string, opts: table): table<number, resty.etcd.endpoint.dns.Answer>?, string?

---@class resty.etcd.endpoint.dns.ResolverOptions
---@field nameservers (string|table<number, (string|number)?>)[]
---@field timeout number Timeout of one attempt in milliseconds.
---@field retrans number Number of attempts; they rotate over the nameservers.
---@field no_random boolean

--- The part of lua-resty-dns that the driver uses.
---@class resty.etcd.endpoint.dns.Library
---@field new fun(self: resty.etcd.endpoint.dns.Library, opts: resty.etcd.endpoint.dns.ResolverOptions): resty.etcd.endpoint.dns.Resolver?, string?
---@field compress_ipv6_addr fun(address: string): string

local RESOLV_CONF = "/etc/resolv.conf"
local DNS_PORT = 53

--- Timeout of one attempt in milliseconds.
local ATTEMPT_TIMEOUT = 1000

--- Attempts of one query, at least one per nameserver.
local MIN_ATTEMPTS = 3

--- Record types.
local A = 1
local AAAA = 28

--- Largest number of addresses of a name and a record type that are used. A cluster has 3 to 7 members.
local MAX_ADDRESSES = 16

--- Longest name in bytes (RFC 1035).
local MAX_NAME = 253
local COMPLETE_V4 = "^%d+%.%d+%.%d+%.%d+$"
local COMPLETE_V6 = "^%x+:%x+:%x+:%x+:%x+:%x+:%x+:%x+$"

--- Returns the library, or nil if it is not installed.
---@return resty.etcd.endpoint.dns.Library?
local function find_library()
    local ok, module = pcall(require, "resty.dns.resolver")
    return ok and type(module) == "table" and module or nil
end

--- Reports whether lua-resty-dns is installed.
---@return boolean
local function is_installed()
    return find_library() ~= nil
end

--- Puts an IPv6 address in brackets, as nginx requires.
---@param address string
---@return string
local function bracketed(address)
    local colon = find(address, ":", 1, true)
    return colon ~= nil and sub(address, 1, 1) ~= "[" and "[" .. address .. "]" or address
end

--- Returns the nameservers in the text of a `resolv.conf`, without addresses that have a zone: nginx cannot use them.
---@param text string
---@return (string|table<number, (string|number)?>)[]
local function in_resolv_conf(text)
    local nameservers = {}
    for address in string.gmatch("\n" .. text .. "\n", "\nnameserver[ \t]+([%x:.]+)%f[%s]") do
        nameservers[#nameservers + 1] = {
            bracketed(address),
            DNS_PORT
        }
    end
    return nameservers
end

--- Returns the nameservers that `/etc/resolv.conf` lists.
---@return (string|table<number, (string|number)?>)[]? res
---@return string? err
local function system_nameservers()
    local file, err = io.open(RESOLV_CONF)
    if file == nil then
        return nil, err
    end
    local text = file:read("*a")
    file:close()
    local nameservers = in_resolv_conf(text or "")
    if #nameservers == 0 then
        return nil, "no nameserver in " .. RESOLV_CONF
    end
    return nameservers
end

--- Returns a copy of a nameserver that the user gave, because the library writes to its argument; nil if it is invalid.
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

--- Checks and copies the option `nameservers`.
---@param given any
---@return (string|table<number, (string|number)?>)[]? res
---@return string? err
local function check_nameservers(given)
    local problem = "opts.resolve.nameservers must be array of addresses or of {address, port}"
    if type(given) ~= "table" then
        return nil, problem
    end
    local nameservers = {}
    for ____, value in ipairs(given) do
        local nameserver = to_nameserver(value)
        if nameserver == nil then
            return nil, problem
        end
        nameservers[#nameservers + 1] = nameserver
    end
    if #nameservers == 0 then
        return nil, problem
    end
    return nameservers
end

--- Returns an address in short form, or nil if it is incomplete because the DNS response was truncated.
---@param library resty.etcd.endpoint.dns.Library
---@param address string
---@param qtype number
---@return string?
local function complete_address(library, address, qtype)
    local complete = match(address, qtype == A and COMPLETE_V4 or COMPLETE_V6)
    if complete == nil or qtype == A then
        return complete
    end
    return library.compress_ipv6_addr(complete)
end

--- Returns the distinct addresses in a DNS response, sorted: nameservers rotate them, but the set has not changed then. Of more
--- than `MAX_ADDRESSES`, it has the first: all workers use the same ones.
---@param library resty.etcd.endpoint.dns.Library
---@param answers resty.etcd.endpoint.dns.Answer[]
---@param qtype number
---@return string[]? res
---@return string? err
local function addresses_in(library, answers, qtype)
    local all = {}
    for ____, answer in ipairs(answers) do
        if answer.type == qtype then
            local address = complete_address(library, answer.address or "", qtype)
            if address == nil then
                return nil, "malformed response"
            end
            all[#all + 1] = address
        end
    end
    table.sort(all)
    local distinct = {}
    for ____, address in ipairs(all) do
        if address ~= distinct[#distinct] and #distinct < MAX_ADDRESSES then
            distinct[#distinct + 1] = address
        end
    end
    return distinct
end

--- Returns the result of a protected call of the library, which can throw on a malformed response.
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

--- Queries the addresses of a host, which can take several seconds.
---@param nameservers (string|table<number, (string|number)?>)[]
---@param host string
---@param qtype number `A` or `AAAA`
---@return string[]? res # the addresses, possibly none; or nil and an error text
---@return string? err
local function query(nameservers, host, qtype)
    if #host > MAX_NAME then
        return nil, "name too long"
    end
    local library = find_library()
    local retrans = max(MIN_ATTEMPTS, #nameservers)
    local opts = {nameservers = nameservers, timeout = ATTEMPT_TIMEOUT, retrans = retrans, no_random = true}
    local is_created, created, create_err = pcall(library.new, library, opts)
    local resolver, resolver_err = guarded(is_created, created, create_err)
    if resolver == nil then
        return nil, resolver_err
    end
    local ok, response, query_err = pcall(resolver.query, resolver, host, {qtype = qtype})
    local answers, err = guarded(ok, response, query_err)
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
_M.check_nameservers = check_nameservers
_M.in_resolv_conf = in_resolv_conf
_M.is_installed = is_installed
_M.query = query
_M.system_nameservers = system_nameservers

return _M
