-- Returns the bytes that hexadecimal digits stand for.
return function(digits)
    return (digits:gsub("%s+", ""):gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end
