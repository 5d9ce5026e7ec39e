-- Generated from src/resty/etcd/transport/grpc/huffman.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- The Huffman code of HPACK (RFC 7541, appendix B). The code is canonical: the codes of one length are consecutive, in the
-- order of their symbols, so the lengths alone define it.
local byte = string.byte
local char = string.char
local concat = table.concat
local floor = math.floor

--- Length of the code of each symbol, where `A` stands for 5 bits. Symbol 256 ends a string and must not occur.
local LENGTHS = "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABA" .. "BABBBACCBBBABCBAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRU" .. "VVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ"
local MIN_LENGTH = 5
local MAX_LENGTH = 30
local END_OF_STRING = 256

--- First code of each length, and its symbols in order.
local first_code = {}
local symbols = {}
local next_code = 0
for length = MIN_LENGTH, MAX_LENGTH do
    local found = {}
    for symbol = 0, END_OF_STRING do
        if byte(LENGTHS, symbol + 1) - 65 + MIN_LENGTH == length then
            found[#found + 1] = symbol
        end
    end
    first_code[length] = next_code
    symbols[length] = found
    next_code = (next_code + #found) * 2
end

--- Returns the decoded string, or nil if it is malformed.
---@param s string
---@return string?
local function decode(s)
    local out = {}
    local code = 0
    local length = 0
    for i = 1, #s do
        local rest = byte(s, i)
        for _ = 1, 8 do
            rest = rest * 2
            local ____bit = floor(rest / 256)
            rest = rest % 256
            code = code * 2 + ____bit
            length = length + 1
            if length >= MIN_LENGTH then
                local candidates = symbols[length]
                local index = code - first_code[length]
                if index < #candidates then
                    local symbol = candidates[index + 1]
                    if symbol == END_OF_STRING then
                        return nil
                    end
                    out[#out + 1] = char(symbol)
                    code = 0
                    length = 0
                end
            end
        end
    end
    if length > 7 or code ~= 2 ^ length - 1 then
        return nil
    end
    return concat(out)
end
_M.decode = decode

return _M
