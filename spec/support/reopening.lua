-- Pauses of watches between two streams.
local backoff = require "resty.etcd.base.backoff"
local token_bucket = require "resty.etcd.base.token_bucket"

local _M = {}

-- Lets watches open another stream after `pause()` seconds, however many have failed, so that a spec can cut many of them.
-- Returns a function that ends that.
function _M.without_limits(pause)
    local next_delay, reserve = backoff.next, token_bucket.reserve
    backoff.next = function() return pause() end -- luacheck: ignore 122
    token_bucket.reserve = function() return 0 end -- luacheck: ignore 122
    return function()
        backoff.next, token_bucket.reserve = next_delay, reserve -- luacheck: ignore 122
    end
end

return _M
