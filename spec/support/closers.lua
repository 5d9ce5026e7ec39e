-- What a test has to undo at its end, in one function for `finally`: busted keeps only the last function of a test.
--
--   local closers = closer_lists.new()
--   finally(closers.run)
--   local proxy = closers.add(start_proxy(), "stop") -- proxy.stop(proxy)
--   closers.add(function() health_check.conf = conf end)
local closer_lists = {}

function closer_lists.new()
    local self, list = {}, {}

    -- Adds a function, or an object with the name of the method that closes it. Returns its argument.
    function self.add(object, method)
        list[#list + 1] = method and function() object[method](object) end or object
        return object
    end

    -- Calls all functions, the last one first. An error does not keep the others from being called.
    function self.run()
        local problem
        while #list > 0 do
            local ok, err = pcall(table.remove(list))
            problem = problem or not ok and err or nil
        end
        assert(not problem, problem)
    end

    return self
end

return closer_lists
