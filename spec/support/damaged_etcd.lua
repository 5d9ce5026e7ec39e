-- A server that responds to the objects which follow etcd (mirrors, watchers, registrations), for hostile_cases.lua. Each
-- response is damaged with a chance per path, so that some cases fail in one place only, and others everywhere.
local cjson = require "cjson.safe"
local damaged_fields = require "spec.support.damaged_fields"
local fake = require "spec.support.scripted_server"

local _M = {}

local header, kv = damaged_fields.header, damaged_fields.kv

-- Returns a server: `script(request)` for scripted_server.lua, `counts` of requests by path, and `damaged`, the number of
-- damaged responses. All values are `value`; the keys are `prefix` with 1 to 3 behind it.
--
-- With `is_good`, no response is damaged, and watches receive an event each 0.2 s.
function _M.new(random, prefix, value, is_good)
    local self = { counts = {}, damaged = 0 }
    local revision = 7
    local chances = {} -- of damage, in tenths, by path
    local is_foreign = random(8) == 1
    -- Damage that is the same each time keeps an object from ever following etcd.
    local is_fixed, fixed = random(3) == 1 and not is_good, {}

    local function json(path, response)
        chances[path] = chances[path] or is_good and 0 or ({ 0, 0, 3, 10 })[random(4)]
        if is_fixed and fixed[path] then
            self.damaged = self.damaged + 1
            return fixed[path]
        elseif random(10) <= chances[path] then
            self.damaged = self.damaged + 1
            local text = is_foreign and damaged_fields.foreign(random) or damaged_fields.encode(damaged_fields.damage(response, random))
            fixed[path] = text
            return text
        end
        return damaged_fields.encode(response)
    end

    local function kvs()
        local list = {}
        for i = 1, 3 do
            list[i] = kv(prefix .. i, value, i + 3)
        end
        return list
    end

    local function watch()
        local steps = { fake.CHUNKED .. fake.chunk(json("created", { result = { header = header(revision), created = true } }) .. "\n") }
        for _ = 1, is_good and 300 or 0 do
            steps[#steps + 1] = 0.2
            steps[#steps + 1] = function()
                revision = revision + 1
                local event = { kv = kv(prefix .. random(3), value, revision) }
                return fake.chunk(damaged_fields.encode { result = { header = header(revision), events = { event } } } .. "\n")
            end
        end
        for _ = 1, is_good and 0 or random(4) do
            revision = revision + 1
            local event = { kv = kv(prefix .. random(3), value, revision) }
            if random(4) == 1 then
                event.type, event.kv.value, event.kv.lease = "DELETE", nil, nil
            end
            steps[#steps + 1] = random(20) / 100
            steps[#steps + 1] = fake.chunk(json("events", { result = { header = header(revision), events = { event } } }) .. "\n")
        end
        if not is_good and random(3) == 1 then
            steps[#steps + 1] = fake.CLOSE
        end
        return steps
    end

    local replies = {
        ["/v3/watch"] = watch,
        ["/v3/kv/range"] = function(request)
            local response = { header = header(revision) }
            if request.range_end and not request.count_only then
                response.kvs, response.count = kvs(), "3"
            end
            return { fake.reply(json("range", response)) }
        end,
        ["/v3/kv/txn"] = function()
            revision = revision + 1
            local put = { response_put = { header = header(revision) } }
            return { fake.reply(json("txn", { header = header(revision), succeeded = true, responses = { put, put } })) }
        end,
    }

    function self.script(request)
        local path = request.path
        self.counts[path] = (self.counts[path] or 0) + 1
        if replies[path] then
            return replies[path](cjson.decode(request.body) or {})
        end
        local make = damaged_fields.replies[path]
        return { fake.reply(make and json(path, make()) or "{}") }
    end

    return self
end

return _M
