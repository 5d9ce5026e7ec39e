-- Generated from src/resty/etcd/call/paged_range.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local cluster = require("resty.etcd.call.cluster")
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local rpcs = require("resty.etcd.protocol.rpc")
local min = math.min
local max = math.max
local floor = math.floor

--- Keys in the first page. The size of later pages follows from the size of the values.
local FIRST_PAGE = 64
local MAX_PAGE = 4096

--- Paged reads that can be interrupted by compactions before the range is read in one request.
local MAX_PAGED_READS = 5

--- Target size of a page in bytes. Larger pages mean fewer requests, for each of which etcd counts all keys again.
local PAGE_BYTES = 256 * 1024

--- Bytes of the longest response with a page, unless the page has a single key.
local MAX_PAGE_BYTES = 8 * 1024 * 1024

--- Part of the limit of a page that was too long, for the next attempt.
local SHRINK = 1 / 8

--- Longest directory, in longest responses: 512 MiB by default.
local MAX_RESPONSES = 8

---@class resty.etcd.call.paged_range.Kv
---@field key? string
---@field value? string

--- What the pages are read from.
---@class resty.etcd.call.paged_range.PageSource
---@field cluster_id string? The cluster; nil for that of the first page.
---@field http_host string? The endpoint to ask first; nil for any.
---@field on_retry (fun(rpc: string, err: resty.etcd.protocol.errors.EtcdError))? As in `CallOptions`.

--- Returns the approximate size of a page in bytes.
---@param kvs resty.etcd.call.paged_range.Kv[]
---@return number
local function size_of(kvs)
    local bytes = 1
    for ____, kv in ipairs(kvs) do
        bytes = bytes + #(kv.key or "") + #(kv.value or "") + 64
    end
    return bytes
end

--- Returns the number of keys for the next page, from the size of the last one.
---@param kvs resty.etcd.call.paged_range.Kv[]
---@param bytes number
---@return number
local function next_size(kvs, bytes)
    return max(
        1,
        min(
            MAX_PAGE,
            floor(PAGE_BYTES * #kvs / bytes)
        )
    )
end

local function copy(request)
    local page = {}
    for name, value in pairs(request) do
        page[name] = value
    end
    return page
end

--- Reads the range in one request, after the revision of the first page was compacted.
---@param core resty.etcd.call.client_state.Core
---@param request table
---@param timeout number?
---@param on_page fun(context: any, kvs: resty.etcd.call.paged_range.Kv[])
---@param context any
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function read_in_one_request(core, request, timeout, on_page, context)
    local reply, err, error_reply = call.unary(core, rpcs.range, request, {timeout = timeout, quiet = true})
    if reply == nil then
        return nil, err, error_reply
    end
    on_page(context, reply.body.kvs or ({}))
    return reply
end

--- Reads a page. One of another cluster is dropped and read elsewhere: its revisions and keys have nothing to do with those
--- of the other pages.
---@param core resty.etcd.call.client_state.Core
---@param page table
---@param options resty.etcd.call.attempt.CallOptions
---@param cluster_id string? nil for any
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function read_page(core, page, options, cluster_id)
    local left = #core.endpoints
    while true do
        local reply, err, error_reply = call.unary(core, rpcs.range, page, options)
        if reply == nil then
            return nil, err, error_reply
        end
        options.prefer = options.answered_by
        local id = cluster.id_of(reply.body)
        if cluster_id == nil or id == nil or id == cluster_id then
            return reply
        end
        cluster.accepts(core, id, options.answered_by)
        left = left - 1
        if left < 1 then
            local ____cluster_id_1 = cluster_id
            local ____temp_0
            if core.cluster.id == cluster_id then
                ____temp_0 = core.cluster.member
            else
                ____temp_0 = nil
            end
            local wanted = {id = ____cluster_id_1, member = ____temp_0}
            return nil, errors.other_cluster(id, options.answered_by, wanted)
        end
        local ____options_3 = options
        local ____temp_2
        if core.cluster.id == cluster_id then
            ____temp_2 = core.cluster.member
        else
            ____temp_2 = nil
        end
        ____options_3.prefer = ____temp_2
    end
end

--- Reads a page as `read_page` does, with fewer keys if the response is too long: its size is estimated from the page before.
---@param core resty.etcd.call.client_state.Core
---@param page table
---@param limit number number of keys; the `limit` of `page` is the one that the reply has
---@param options resty.etcd.call.attempt.CallOptions
---@param cluster_id string?
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function read_shrinking_page(core, page, limit, options, cluster_id)
    local size = limit
    while true do
        page.limit = size
        options.max_response_size = size > 1 and min(MAX_PAGE_BYTES, core.max_response_size) or core.max_response_size
        local reply, err, error_reply = read_page(core, page, options, cluster_id)
        if reply ~= nil then
            return reply
        end
        if err.name ~= "response_too_large" or size == 1 then
            return nil, err, error_reply
        end
        size = max(
            1,
            floor(size * SHRINK)
        )
        options.quiet = true
    end
end

--- Reports whether the read is of the latest revision, not of one that the caller gave.
---@param request table
---@return boolean
local function is_of_latest(request)
    return (int64.to_text(request.revision) or "0") == "0"
end

--- Reads the range in pages, all at the revision of the first.
---@param core resty.etcd.call.client_state.Core
---@param request table
---@param timeout number?
---@param on_page fun(context: any, kvs: resty.etcd.call.paged_range.Kv[])
---@param context any
---@param source resty.etcd.call.paged_range.PageSource?
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function read_pages(core, request, timeout, on_page, context, source)
    local page = copy(request)
    local limit = FIRST_PAGE
    local options = {timeout = timeout, prefer = source and source.http_host, on_retry = source and source.on_retry}
    local reply, err, error_reply = read_shrinking_page(
        core,
        page,
        limit,
        options,
        source and source.cluster_id
    )
    if reply == nil then
        return nil, err, error_reply
    end
    limit = page.limit
    local body = reply.body
    local cluster_id = cluster.id_of(body)
    options.quiet = true
    local all = body.kvs or ({})
    body.more = nil
    local ____int64_to_number_11 = int64.to_number
    local ____body_count_10 = body.count
    if ____body_count_10 == nil then
        ____body_count_10 = "0"
    end
    local count = ____int64_to_number_11(____body_count_10)
    if count == nil then
        return nil, errors.local_error("bad_reply", "malformed reply: count of keys")
    end
    local is_latest = is_of_latest(request)
    if is_latest then
        local ____opt_12 = body.header
        page.revision = ____opt_12 and ____opt_12.revision
    end
    local kvs = all
    local total = 0
    while #kvs > 0 and (#all < count or count == 0 and #kvs >= limit) do
        if is_latest and is_of_latest(page) then
            return nil, errors.local_error("bad_reply", "malformed reply: page without revision")
        end
        local bytes = size_of(kvs)
        total = total + (#kvs < limit and max(bytes, PAGE_BYTES) or bytes)
        if total > core.max_response_size * MAX_RESPONSES then
            return nil, errors.local_error("bad_reply", "malformed reply: directory too long")
        end
        limit = next_size(kvs, bytes)
        local from = (kvs[#kvs].key or "") .. "\000"
        page.key = from
        on_page(context, kvs)
        local next_reply, next_err, next_error_reply = read_shrinking_page(
            core,
            page,
            limit,
            options,
            cluster_id
        )
        if next_reply == nil then
            return nil, next_err, next_error_reply
        end
        limit = page.limit
        kvs = next_reply.body.kvs or ({})
        if #kvs > 0 and (kvs[1].key or "") < from then
            return nil, errors.local_error("bad_reply", "malformed reply: page starts before the requested key")
        end
        for ____, kv in ipairs(kvs) do
            all[#all + 1] = gc_barrier.mark_now(kv)
        end
    end
    on_page(context, kvs)
    return reply
end

--- Reads a range in pages, all at the revision of the first, so that no page occupies the worker for long. The reply equals
--- that of a single read.
---@param core resty.etcd.call.client_state.Core
---@param request table without limit and in key order
---@param timeout number? for each page
---@param on_page fun(context: any, kvs: resty.etcd.call.paged_range.Kv[])
---@param context any
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function read_all(core, request, timeout, on_page, context)
    local reply, err, error_reply = read_pages(
        core,
        request,
        timeout,
        on_page,
        context,
        nil
    )
    if reply ~= nil then
        return reply
    end
    local must_repeat = err.name == "other_cluster" or err.code == 11 and is_of_latest(request)
    if must_repeat then
        return read_in_one_request(
            core,
            request,
            timeout,
            on_page,
            context
        )
    end
    return nil, err, error_reply
end

local function keep_raw()
end

--- Reads a range as `read_all` does, without decoding values. If the revision of the pages is compacted, the paged read is
--- repeated several times before the range is read in one request.
---@param core resty.etcd.call.client_state.Core
---@param request table
---@param timeout number?
---@param source resty.etcd.call.paged_range.PageSource
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function read_raw(core, request, timeout, source)
    for _ = 1, MAX_PAGED_READS do
        local reply, err, error_reply = read_pages(
            core,
            request,
            timeout,
            keep_raw,
            nil,
            source
        )
        if reply ~= nil then
            return reply
        end
        if err.code ~= 11 or not is_of_latest(request) then
            return nil, err, error_reply
        end
    end
    local options = {timeout = timeout, quiet = true, prefer = source.http_host, on_retry = source.on_retry}
    return read_page(core, request, options, source.cluster_id)
end
_M.read_all = read_all
_M.read_raw = read_raw

return _M
