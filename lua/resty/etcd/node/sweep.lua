-- Generated from src/resty/etcd/node/sweep.ts by TypeScriptToLua. Do not edit.
local _M = {}
local slices = require("resty.etcd.slice")
local chain = require("resty.etcd.node.chain")
local pieces = require("resty.etcd.node.pieces")
local max = math.max

--- Epochs that are gone over once more: a writer that was stopped may have left a last piece there.
local AGAIN = 16

--- Epochs whose links are kept, so that a late writer cannot link to them.
local LINKS = 4096

--- Removes an epoch, but for the link to its successor.
---@param log resty.etcd.node.chain.Log
---@param epoch number
---@param slice resty.etcd.slice.Slice
local function remove_epoch(log, epoch, slice)
    local dict = log.dict
    pieces.remove(
        dict,
        chain.key_of(log, epoch, "b"),
        slice
    )
    pieces.remove(
        dict,
        chain.key_of(log, epoch, "r"),
        slice
    )
    for ____, what in ipairs({"h", "s", "c", "l"}) do
        dict:delete(chain.key_of(log, epoch, what))
    end
end

--- Removes the epochs before `root`.
---@param log resty.etcd.node.chain.Log
---@param root number
---@param slice resty.etcd.slice.Slice
local function before(log, root, slice)
    local swept = chain.number_at(log, "swept") or 0
    for epoch = max(1, swept - AGAIN), root - 1 do
        remove_epoch(log, epoch, slice)
    end
    for epoch = max(1, swept - LINKS), root - 1 - LINKS do
        log.dict:delete(chain.key_of(log, epoch, "n"))
    end
    if root > swept then
        chain.set_number(log, "swept", root)
    end
end

--- Removes a log that was given up.
---@param log resty.etcd.node.chain.Log
local function all(log)
    local last = chain.number_at(log, "epochs") or 0
    before(
        log,
        last + 1,
        slices.begin()
    )
    for epoch = max(0, last - LINKS), last do
        log.dict:delete(chain.key_of(log, epoch, "n"))
    end
    chain.forget(log)
end
_M.all = all
_M.before = before
_M.remove_epoch = remove_epoch

return _M
