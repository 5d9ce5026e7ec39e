-- Calls at the same time, each in a light thread of its own.

-- Runs `call(i)` for 1 to `n`; returns how often each outcome was, by status or error text.
return function(n, call)
    local threads, said = {}, {}
    for i = 1, n do
        threads[i] = ngx.thread.spawn(function()
            local res, err = call(i)
            local answer = res and res.status or err
            said[answer] = (said[answer] or 0) + 1
        end)
    end
    for _, thread in ipairs(threads) do
        assert(ngx.thread.wait(thread))
    end
    return said
end
