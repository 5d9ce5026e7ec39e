-- Objects that follow etcd or keep something in it, at a server whose responses have wrong fields: none throws, calls
-- without pause, or reports what is not so. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local configs = require "resty.etcd.config"
local damaged_etcd = require "spec.support.damaged_etcd"
local discovery = require "resty.etcd.discovery"
local hostile = require "spec.support.hostile_cases"
local nginx_log = require "spec.support.nginx_log"

local TIMEOUT = 0.5
-- Seconds that an object follows the server. Its requests are counted in the second half: the first attempts of a backoff
-- follow each other more closely.
local TIME = 4
-- Requests of one kind in the second half: 5 per second of each loop. Two loops read: for the current revision, and for lists.
local MAX_REQUESTS = 5 * TIME / 2
local LOOPS = { ["/v3/kv/range"] = 2 }
local DIR = "/bad/"
local INSTANCE = '{"host":"10.0.0.1","port":80}'

local function is_number(value, min, max)
    return type(value) == "number" and value >= min and value <= max
end

-- Returns what is false in the state of an object, or nil.
local function wrong_state(state)
    if state.err ~= nil and type(state.err) ~= "string" then
        return "err is not a string"
    elseif state.err and (state.err:find("attempt to ", 1, true) or state.err:find("%.lua:%d+:")) then
        return "an error of Lua: " .. state.err
    elseif state.err and state.err:find("%c") then
        return "control characters in err"
    end
end

local function wrong_mirror(mirror)
    local state = mirror:state()
    if not is_number(state.revision, 0, 2 ^ 63) or not is_number(state.count, 0, 1000) or not (is_number(state.age, 0, TIME + 1) or state.age == math.huge) then
        return ("revision %s, count %s, age %s"):format(state.revision, state.count, state.age)
    elseif state.status == "ready" and state.err then
        return "ready with an error: " .. state.err
    end
    for _, item in ipairs(mirror:all() or {}) do
        if type(item.key) ~= "string" or item.key:sub(1, #DIR) ~= DIR or not tostring(item.mod_revision):find("^%d+$") then
            return ("item %s with mod_revision %s"):format(item.key, item.mod_revision)
        end
    end
    return wrong_state(state)
end

local function wrong_registration(reg)
    local state = reg:state()
    if state.registered and not (type(state.lease) == "string" and is_number(state.expires_in, 0, 1e6)) then
        return ("registered with lease %s, for %s s"):format(state.lease, state.expires_in)
    elseif not is_number(state.ttl, 0, 1e10) or state.retry_in ~= nil and not is_number(state.retry_in, 0, 1e4) then
        return ("ttl %s, retry_in %s"):format(state.ttl, state.retry_in)
    end
    return wrong_state(state)
end

-- Objects: a function that creates one, and one that returns what is false in it.
local OBJECTS = {
    { "mirror", function(cli) return cli:mirror(DIR) end, wrong_mirror },
    { "configuration", function(cli) return configs.new(cli, DIR) end, function(conf) return wrong_mirror(conf.mirror or conf) end },
    { "discovery", function(cli) return discovery.new(cli, { prefix = DIR }) end, function(disco) return wrong_state(disco:state()) end },
    { "registration", function(cli)
        return discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }, { prefix = DIR, ttl = 10 })
    end, wrong_registration },
    { "watcher", function(cli)
        return cli:watcher(DIR, { prefix = true, on_batch = function(batch, err)
            assert(type(err) == "string" or type(batch) == "table")
        end })
    end, function(watcher)
        return not is_number(watcher:revision() or 0, 0, 2 ^ 63) and "revision " .. tostring(watcher:revision()) or nil
    end },
}

describe("object that follows a server with wrong fields", function()
    it("neither throws nor calls without pause nor reports a false state #alone", function()
        local log = nginx_log.start("followers")
        finally(log.stop)
        hostile.run {
            name = "followers", cases = hostile.scale(72, 0.5), timeout = TIMEOUT, slots = 24, max_cpu = 0.1,
            one = function(self, _, random)
                local name, create, wrong_of = unpack(OBJECTS[random(#OBJECTS)], 1, 3)
                local value = name == "discovery" and INSTANCE or '"v"'
                local server = damaged_etcd.new(random, name == "discovery" and DIR .. "web/" or DIR, value)
                self.scripts[1] = server.script
                local object, err = create(self.new_client { health = { max_fails = 1e6 } })
                if not object then -- a watcher reads etcd's revision when it is created
                    return (name ~= "watcher" or type(err) ~= "string") and name .. ": not created: " .. tostring(err) or nil
                end
                local wrong, has_err
                for i = 1, 10 * TIME do
                    ngx.sleep(0.1)
                    wrong = wrong or wrong_of(object)
                    local state = object:state() -- a string for watchers
                    has_err = has_err or type(state) ~= "table" or state.err ~= nil
                    if i == 5 * TIME then
                        server.counts, server.damaged, has_err = {}, 0, false
                    end
                end
                object:close()
                for path, count in pairs(server.counts) do
                    if count > MAX_REQUESTS * (LOOPS[path] or 1) then
                        wrong = wrong or ("%d requests %s in %g s"):format(count, path, TIME / 2)
                    end
                end
                if (server.counts["/v3/watch"] or 0) > 3 and server.damaged > 6 and not has_err then
                    wrong = wrong or "no error in a state that keeps failing"
                end
                return wrong and name .. ": " .. wrong
            end,
        }
        assert.equal("", log.lua_errors())
    end)
end)
