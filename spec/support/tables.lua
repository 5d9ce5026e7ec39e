-- Tables by value.
local tables = {}

-- Returns a deep copy.
function tables.copy(value)
    if type(value) ~= "table" then
        return value
    end
    local copy = {}
    for name, field in pairs(value) do
        copy[name] = tables.copy(field)
    end
    return copy
end

return tables
