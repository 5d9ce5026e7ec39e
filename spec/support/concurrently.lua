-- Concurrent calls, each in a separate light thread.

-- Runs `call(i)` for 1 to `n`. Returns the number of calls by status or error text.
return function(n, call)
    local threads, counts = {}, {}
    for i = 1, n do
        threads[i] = ngx.thread.spawn(function()
            local res, err = call(i)
            local outcome = res and res.status or err
            counts[outcome] = (counts[outcome] or 0) + 1
        end)
    end
    for _, thread in ipairs(threads) do
        assert(ngx.thread.wait(thread))
    end
    return counts
end
