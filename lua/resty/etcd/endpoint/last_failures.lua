-- Generated from src/resty/etcd/endpoint/last_failures.ts by TypeScriptToLua. Do not edit.
local _M = {}
local dict_values = require("resty.etcd.base.dict_values")
local printable = require("resty.etcd.base.printable")
local PREFIX = "resty.etcd|error|"

--- Seconds that a text is kept. Longer than any usual ban, so that a call that finds all endpoints banned finds it.
local KEPT_FOR = 600

--- Longest text in bytes.
local MAX_LENGTH = 500

--- Longest text that is read: `printable` marks a cut.
local MAX_STORED = 2 * MAX_LENGTH

--- Largest number of endpoints in a hint: one name can have hundreds of addresses.
local MAX_ENDPOINTS = 10

--- Stores why an endpoint failed. Evicts nothing from a shared dict that is full.
---@param dict table
---@param host string
---@param text string
local function note(dict, host, text)
    dict:safe_set(
        PREFIX .. host,
        printable.of(text, MAX_LENGTH),
        KEPT_FOR
    )
end

--- Returns the last failures of endpoints as one text, or nil if none is known.
---@param dict table
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@return string?
local function text_of(dict, endpoints)
    local texts = {}
    local more = 0
    for ____, endpoint in ipairs(endpoints) do
        local host = endpoint.http_host
        local text = dict_values.get_text(
            dict,
            PREFIX .. tostring(host),
            MAX_STORED
        )
        if text ~= nil then
            if #texts < MAX_ENDPOINTS then
                texts[#texts + 1] = printable.of(text, MAX_LENGTH)
            else
                more = more + 1
            end
        end
    end
    if #texts == 0 then
        return nil
    end
    local all = table.concat(texts, "; ")
    return more > 0 and all .. "; and " .. tostring(more) .. " more" or all
end
_M.note = note
_M.text_of = text_of

return _M
