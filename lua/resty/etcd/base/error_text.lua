-- Generated from src/resty/etcd/base/error_text.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Returns the text of an error value that a user's function returned or threw, of whatever type.
---@param err any
---@param fallback string returned for nil, and for values whose `__tostring` throws or returns no string
---@return string
local function of(err, fallback)
    if err == nil then
        return fallback
    end
    local ok, text = pcall(tostring, err)
    return ok and type(text) == "string" and text or fallback
end
_M.of = of

return _M
