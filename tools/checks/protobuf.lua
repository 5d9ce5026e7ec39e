-- protobuf.lua FILE: encodes and decodes the messages of a file, and prints how many there are, or each difference. A
-- line of the file is JSON: a message type of the schema, the message with its bytes in base64, and the encoded message.
local cjson = require "cjson"
local codec = require "resty.etcd.transport.grpc.protobuf_codec"
local schema = require "resty.etcd.protocol.schema"

-- Converts the base64 of a message to bytes.
local function to_table(message, fields)
    for name, value in pairs(fields) do
        local field = assert(message[name], name)
        if field.message then
            for _, inner in ipairs(field.repeated and value or { value }) do
                to_table(field.message, inner)
            end
        elseif field.scalar == "bytes" then
            fields[name] = not field.repeated and ngx.decode_base64(value) or value
            for i = 1, field.repeated and #value or 0 do
                value[i] = ngx.decode_base64(value[i])
            end
        end
    end
    return fields
end

local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b
    end
    for key, value in pairs(a) do
        if not same(value, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

-- Differences that are printed; one of them is enough to find the fault.
local MAX_PRINTED = 5

local count, types, number_of_types, differences = 0, {}, 0, 0

local function report(...)
    differences = differences + 1
    if differences <= MAX_PRINTED then
        print(...)
    end
end

for line in io.lines(arg[1]) do
    local case = cjson.decode(line)
    local message = assert(schema[case.type], case.type)
    local fields, bytes = to_table(message, case.table), ngx.decode_base64(case.bytes)
    local encoded, err = codec.encode(message, fields)
    if encoded ~= bytes then
        report("encoded: ", line, err or ngx.encode_base64(encoded))
    end
    local decoded, bad = codec.decode(message, bytes)
    if not same(fields, decoded) then
        report("decoded: ", line, bad or cjson.encode(decoded))
    end
    count = count + 1
    if not types[case.type] then
        types[case.type], number_of_types = true, number_of_types + 1
    end
end
print(("%d messages of %d types"):format(count, number_of_types))
