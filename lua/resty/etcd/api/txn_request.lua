-- Generated from src/resty/etcd/api/txn_request.ts by TypeScriptToLua. Do not edit.
local _M = {}
local keys = require("resty.etcd.protocol.keys")
local serializer = require("resty.etcd.serializers.serializer")
local txn_compare = require("resty.etcd.api.txn_compare")

--- Greatest depth of nested transactions. It ends the recursion for a table that contains itself.
local MAX_DEPTH = 100

--- Converts camelCase (`prevKv`) to the names of etcd's messages (`prev_kv`).
---@param name string
---@return string
local function snake_case(name)
    local snake = string.gsub(
        name,
        "%u",
        function(upper) return "_" .. string.lower(upper) end
    )
    return snake
end

--- Returns a copy of a row with the names of etcd's messages: the caller's table must not change.
---@param row table<string, any>
---@return table? res # nil and an error text if both spellings of a name have a value, and the values differ
---@return string? err
local function copy_row(row)
    local message = {}
    for given, value in pairs(row) do
        local name = snake_case(tostring(given))
        if message[name] ~= nil and message[name] ~= value then
            return nil, name .. " has two values"
        end
        message[name] = value
    end
    return message
end

--- Adds the client's key prefix to key and range end. Returns an error text, or nil.
---@param cli resty.etcd.call.client_state.ClientState
---@param message table
---@return string?
local function prefix_keys(cli, message)
    local key = message.key
    if type(key) ~= "string" then
        return "key must be string"
    end
    message.key = keys.with_prefix(cli.key_prefix, key)
    local range_end = message.range_end
    if range_end ~= nil then
        message.range_end = keys.real_range_end(cli.key_prefix, range_end)
    end
    return nil
end

--- Serializes the value of a message in place. Returns an error text, or nil.
---@param cli resty.etcd.call.client_state.ClientState
---@param message table
---@return string?
local function serialize_value(cli, message)
    local value, err = serializer.serialize(cli.serializer, message.value)
    if value == nil then
        return err
    end
    message.value = value
    return nil
end

local function compare_messages(cli, rows)
    local messages = {}
    for ____, row in ipairs(rows) do
        if type(row) ~= "table" then
            return nil, "compare must hold tables"
        end
        local message, row_err = copy_row(row)
        if message == nil then
            return nil, row_err
        end
        local err = prefix_keys(cli, message) or txn_compare.prepare(cli, message)
        if err ~= nil then
            return nil, err
        end
        messages[#messages + 1] = message
    end
    return messages
end

--- Returns the message of a put, range or delete.
---@param cli resty.etcd.call.client_state.ClientState
---@param kind string
---@param row table<string, any>
---@return table? res
---@return string? err
local function plain_op(cli, kind, row)
    local message, row_err = copy_row(row)
    if message == nil then
        return nil, row_err
    end
    local err = prefix_keys(cli, message)
    if err == nil and kind == "request_put" and message.ignore_value ~= true then
        err = serialize_value(cli, message)
    end
    if err ~= nil then
        return nil, err
    end
    return message
end

--- Returns the kind of an operation and its fields; nil and an error text if it has no kind or several.
---@param op table<string, any>
---@return string? kind
---@return table<string, any>|string body
local function kind_of(op)
    local kind
    local body
    for name, value in pairs(op) do
        if kind ~= nil then
            return nil, "each operation must be of one kind"
        end
        kind = snake_case(tostring(name))
        body = value
    end
    if kind == nil then
        return nil, "each operation must be of one kind"
    end
    if type(body) ~= "table" then
        return nil, kind .. " must be table"
    end
    return kind, body
end

--- Returns the message of a transaction.
---@param cli resty.etcd.call.client_state.ClientState
---@param parts table<string, any>
---@param depth number number of transactions around this one
---@return table? res
---@return string? err
local function txn_message(cli, parts, depth)
    if depth > MAX_DEPTH then
        return nil, "request_txn is nested too deeply"
    end
    for name, list in pairs(parts) do
        if name ~= "compare" and name ~= "success" and name ~= "failure" then
            return nil, "unknown field " .. tostring(name)
        end
        if type(list) ~= "table" then
            return nil, name .. " must be table"
        end
    end
    local message = {}
    local rows, compare_err = compare_messages(cli, parts.compare or ({}))
    if rows == nil then
        return nil, compare_err
    end
    message.compare = rows
    for ____, branch in ipairs({"success", "failure"}) do
        local ops = {}
        for ____, op in ipairs(parts[branch] or ({})) do
            if type(op) ~= "table" then
                return nil, branch .. " must hold tables"
            end
            local kind, body = kind_of(op)
            if kind == nil then
                return nil, body
            end
            local request
            local err
            if kind == "request_txn" then
                request, err = txn_message(cli, body, depth + 1)
            else
                request, err = plain_op(cli, kind, body)
            end
            if request == nil then
                return nil, err
            end
            local wrapped = {}
            wrapped[kind] = request
            ops[#ops + 1] = wrapped
        end
        message[branch] = ops
    end
    return message
end

--- Reports whether a transaction only reads, in all branches and nested transactions.
---@param message table
---@return boolean
local function is_read_only(message)
    for ____, branch in ipairs({"success", "failure"}) do
        local ____message_branch_1 = message[branch]
        if ____message_branch_1 == nil then
            ____message_branch_1 = {}
        end
        for ____, op in ipairs(____message_branch_1) do
            local inner = op.request_txn
            local ____temp_0
            if inner ~= nil then
                ____temp_0 = is_read_only(inner)
            else
                ____temp_0 = op.request_range ~= nil
            end
            local reads = ____temp_0
            if not reads then
                return false
            end
        end
    end
    return true
end
_M.is_read_only = is_read_only
_M.txn_message = txn_message

return _M
