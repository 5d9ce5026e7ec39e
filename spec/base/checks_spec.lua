local checks = require "resty.etcd.base.checks"

describe("check_options", function()
    local SET = {}

    -- Returns the error text for one value of an option with this rule.
    local function problem_of(rule, value)
        rule.name = "x"
        return checks.check_options({ x = value }, { rules = { rule } })
    end

    it("accepts values of the type", function()
        local values = { boolean = false, ["function"] = print, integer = -3, number = -0.5, string = "", table = {} }
        for kind, value in pairs(values) do
            assert.is_nil(problem_of({ type = kind }, value))
        end
    end)

    it("rejects values of other types, and names option and type", function()
        local types = { "boolean", "function", "integer", "number", "string", "table" }
        local values = { true, print, 7, 0.5, "7", SET }
        for i, kind in ipairs(types) do
            for j, value in ipairs(values) do
                local is_right = i == j or kind == "number" and value == 7
                assert.equal(not is_right and "opts.x must be " .. kind or nil, problem_of({ type = kind }, value))
            end
            assert.equal("opts.x must be " .. kind, problem_of({ type = kind }, ngx.null))
        end
    end)

    it("rejects NaN as a number and as an integer", function()
        for _, kind in ipairs { "number", "integer" } do
            assert.equal("opts.x must be " .. kind, problem_of({ type = kind }, 0 / 0))
        end
    end)

    it("rejects integers of more than 32 bits", function()
        local text = "opts.x must be integer"
        assert.is_nil(problem_of({ type = "integer" }, 2 ^ 31 - 1))
        assert.is_nil(problem_of({ type = "integer" }, -(2 ^ 31 - 1)))
        for _, value in ipairs { 2 ^ 31, -(2 ^ 31), math.huge, -math.huge } do
            assert.equal(text, problem_of({ type = "integer" }, value))
        end
    end)

    it("accepts the bounds min and max, but not the bound above", function()
        local text = "opts.x must be number"
        assert.is_nil(problem_of({ type = "number", min = 0 }, 0))
        assert.equal(text, problem_of({ type = "number", min = 0 }, -0.1))
        assert.is_nil(problem_of({ type = "number", max = 10 }, 10))
        assert.equal(text, problem_of({ type = "number", max = 10 }, 10.1))
        assert.is_nil(problem_of({ type = "number", above = 0 }, 0.1))
        assert.equal(text, problem_of({ type = "number", above = 0 }, 0))
        assert.is_nil(problem_of({ type = "number", above = 0 }, math.huge))
        assert.equal("opts.x must be integer", problem_of({ type = "integer", min = 1 }, 0))
    end)

    it("accepts enumerated values only, and lists them", function()
        local two = { values = { "on", "off" } }
        assert.is_nil(problem_of(two, "on"))
        assert.is_nil(problem_of(two, "off"))
        for _, value in ipairs { "", "ON", 1, true, SET } do
            assert.equal('opts.x must be "on" or "off"', problem_of(two, value))
        end
        assert.equal('opts.x must be "a", "b" or "c"', problem_of({ values = { "a", "b", "c" } }, "d"))
    end)

    it("states what is expected in the words of the rule", function()
        local rule = { type = "number", above = 0, expected = "number of seconds" }
        assert.equal("opts.x must be number of seconds", problem_of(rule, "5"))
        assert.equal("opts.x must be number of seconds", problem_of(rule, 0))
    end)

    it("returns the text of the rule's own check, which sees only values of the right type", function()
        local seen = {}
        local rule = {
            type = "string",
            check = function(value)
                table.insert(seen, value)
                return value == "bad" and "x is bad" or nil
            end,
        }
        assert.is_nil(problem_of(rule, "good"))
        assert.equal("x is bad", problem_of(rule, "bad"))
        assert.equal("opts.x must be string", problem_of(rule, 5))
        assert.is_nil(problem_of(rule, nil))
        assert.same({ "good", "bad" }, seen)
    end)

    it("checks the options in the order of the rules", function()
        local rules = { { name = "b", type = "string" }, { name = "a", type = "string" }, { name = "c", type = "string" } }
        assert.equal("opts.b must be string", checks.check_options({ a = 1, b = 1, c = 1, d = 1 }, { rules = rules }))
        assert.equal("opts.a must be string", checks.check_options({ a = 1, c = 1, d = 1 }, { rules = rules }))
    end)

    it("accepts options that are nil unless one is required", function()
        assert.is_nil(checks.check_options(nil, { rules = { { name = "x", type = "string" } } }))
        local rules = { { name = "x", type = "string" }, { name = "y", type = "string", required = true } }
        assert.equal("opts must be table", checks.check_options(nil, { rules = rules }))
        assert.equal("opts.y must be string", checks.check_options({ x = "" }, { rules = rules }))
        assert.is_nil(checks.check_options({ y = "" }, { rules = rules }))
    end)

    it("rejects options that are no table, and names the table by its subject", function()
        for _, opts in ipairs { "x", 5, true, print, ngx.null } do
            assert.equal("opts must be table", checks.check_options(opts, { rules = {} }))
        end
        local health = { subject = "opts.health", rules = { { name = "x", type = "string" } } }
        assert.equal("opts.health must be table", checks.check_options(5, health))
        assert.equal("opts.health.x must be string", checks.check_options({ x = 5 }, health))
    end)

    describe("with an unknown option", function()
        local known = {
            rules = {
                { name = "idle_timeout", type = "number" },
                { name = "validate", type = "function" },
                { name = "decode", type = "function" },
                { name = "ttl", type = "number" },
            },
        }

        it("suggests the known name that differs least", function()
            local suggestions = {
                valdiate = "validate", Validate = "validate", validator = "validate", validat = "validate",
                idletimeout = "idle_timeout", idle_time = "idle_timeout", decoder = "decode", encode = "decode", tll = "ttl",
            }
            for name, nearest in pairs(suggestions) do
                local text = "unknown option " .. name .. "; did you mean " .. nearest .. "?"
                assert.equal(text, checks.check_options({ [name] = 1 }, known))
            end
        end)

        it("suggests nothing if no known name is similar", function()
            for _, name in ipairs { "", "x", "timeout", "shm_name", string.rep("idle_timeout", 1000) } do
                assert.equal("unknown option " .. name, checks.check_options({ [name] = 1 }, known))
            end
            assert.equal("unknown option 1", checks.check_options({ "decode" }, known))
        end)

        it("accepts it if the table ignores unknown options", function()
            local lenient = { rules = known.rules, ignores_unknown = true }
            assert.is_nil(checks.check_options({ valdiate = 1, ttl = 5 }, lenient))
            assert.equal("opts.ttl must be number", checks.check_options({ valdiate = 1, ttl = "5" }, lenient))
        end)
    end)
end)

describe("check_shared_dict", function()
    it("accepts the names of declared shared dicts only", function()
        local name = assert(next(ngx.shared))
        assert.is_nil(checks.check_shared_dict(name))
        assert.equal("failed to get ngx.shared dict: none", checks.check_shared_dict("none"))
        assert.equal("failed to get ngx.shared dict: 5", checks.check_shared_dict(5))
    end)
end)
