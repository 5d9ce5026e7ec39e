local phase = require "resty.etcd.base.phase"

local PREDICATES = { "can_wait", "is_starting", "is_init" }

-- Returns the predicates that hold in a phase.
local function predicates_in(name)
    local get_phase = ngx.get_phase
    rawset(ngx, "get_phase", function() return name end)
    local held = {}
    for _, predicate in ipairs(PREDICATES) do
        held[#held + 1] = phase[predicate]() and predicate or nil
    end
    rawset(ngx, "get_phase", get_phase)
    return table.concat(held, " ")
end

describe("phase", function()
    it("distinguishes the start of nginx, phases that yield and phases that do not", function()
        local expected = {
            init = "is_starting is_init",
            init_worker = "is_starting",
        }
        for name in ("exit_worker set balancer header_filter body_filter log ssl_session_store"):gmatch("%S+") do
            expected[name] = ""
        end
        for name in ("rewrite server_rewrite access content timer ssl_cert ssl_client_hello ssl_session_fetch preread")
            :gmatch("%S+")
        do
            expected[name] = "can_wait"
        end
        for name, predicates in pairs(expected) do
            assert.equal(name .. ": " .. predicates, name .. ": " .. predicates_in(name))
        end
    end)

    it("can wait in the timer that runs these specs", function()
        assert.equal("timer", ngx.get_phase())
        assert.is_true(phase.can_wait())
    end)
end)
