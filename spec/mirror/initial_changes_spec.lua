-- on_change with `initial`, with a scripted feed.
local fake = require "spec.support.scripted_server"
local scripted = require "spec.support.scripted_feed"

describe("on_change with initial", function()
    local feed, m

    before_each(function()
        feed = scripted.new()
        m = assert(feed:mirror("/a/"))
    end)

    after_each(function()
        m:close()
    end)

    -- Returns a callback, and the list of what it has received.
    local function recorder()
        local seen = {}
        return function(changes)
            local words = { changes.initial and "initial" or "changes", changes.revision }
            for _, change in ipairs(changes.changes) do
                words[#words + 1] = ("%s %s=%s%s"):format(
                    change.type, change.key, tostring(change.kv and change.kv.value), change.old and " again" or "")
            end
            seen[#seen + 1] = table.concat(words, " ")
        end, seen
    end

    it("calls the function with the whole content, then with each change", function()
        feed:full(10, { "/a/1", "1", 3 }, { "/a/2", "2", 4 })
        feed:put(11, "/a/3", "3")
        scripted.at(m, 11)
        local fn, seen = recorder()
        assert(m:on_change(fn, { initial = true }))
        fake.eventually(function() return #seen == 1 end)
        feed:put(12, "/a/1", "5")
        feed:delete(13, "/a/2")
        fake.eventually(function() return #seen == 3 end)
        assert.same({
            "initial 11 PUT /a/1=1 PUT /a/2=2 PUT /a/3=3", "changes 12 PUT /a/1=5 again", "changes 13 DELETE /a/2=nil again",
        }, seen)
    end)

    it("calls the function once if it is registered before the first full state", function()
        local fn, seen = recorder()
        local plain, changes = recorder()
        assert(m:on_change(fn, { initial = true }))
        assert(m:on_change(plain))
        feed:full(10, { "/a/1", "1", 3 })
        feed:put(11, "/a/2", "2")
        fake.eventually(function() return #seen == 2 end)
        assert.same({ "initial 10 PUT /a/1=1", "changes 11 PUT /a/2=2" }, seen)
        assert.same({ "changes 10 PUT /a/1=1", "changes 11 PUT /a/2=2" }, changes)
    end)

    it("calls the function if there is no key", function()
        feed:full(10)
        scripted.at(m, 10)
        local fn, seen = recorder()
        assert(m:on_change(fn, { initial = true }))
        fake.eventually(function() return #seen == 1 end)
        assert.same({ "initial 10" }, seen)
    end)

    it("loses and repeats nothing among changes, for functions that are registered at any time", function()
        feed:full(10, { "/a/0", "0", 3 })
        scripted.at(m, 10)
        local models, revisions = {}, {}
        for i = 1, 60 do
            feed:put(10 + i, "/a/" .. i % 7, tostring(i))
            if i % 6 == 0 then
                local model = {}
                models[#models + 1] = model
                assert(m:on_change(function(changes)
                    assert(changes.initial == nil == (model.revision ~= nil))
                    assert(changes.revision > (model.revision or 0))
                    model.revision = changes.revision
                    for _, change in ipairs(changes.changes) do
                        assert(model[change.key] == change.old)
                        model[change.key] = change.kv
                    end
                end, { initial = true }))
            end
            ngx.sleep(0.02)
        end
        fake.eventually(function()
            for i, model in ipairs(models) do
                revisions[i] = model.revision
            end
            return #revisions == 10 and math.min(unpack(revisions)) == 70
        end)
        for _, model in ipairs(models) do
            for i = 0, 6 do
                assert.equal(select(2, m:get("/a/" .. i)), model["/a/" .. i])
            end
        end
        assert.equal(0, m:stats().callback_errors)
    end)

    it("waits for a function that has not returned, and calls no function that was unregistered", function()
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        local is_waiting, is_released = false, false
        assert(m:on_change(function()
            is_waiting = true
            while not is_released do
                ngx.sleep(0.01)
            end
        end))
        feed:put(11, "/a/2", "2")
        fake.eventually(function() return is_waiting end)
        local fn, seen = recorder()
        local gone, unseen = recorder()
        assert(m:on_change(fn, { initial = true }))
        assert(m:on_change(gone, { initial = true }))()
        feed:put(12, "/a/2", "3")
        scripted.at(m, 12)
        assert.same({}, seen)
        is_released = true
        fake.eventually(function() return #seen == 1 end)
        assert.same({ "initial 12 PUT /a/1=1 PUT /a/2=3" }, seen)
        assert.same({}, unseen)
    end)

    it("returns an error for other options", function()
        for text, opts in pairs {
            ["opts must be table"] = true, ["opts.initial must be boolean"] = { initial = 1 },
            ["unknown option inital; did you mean initial?"] = { inital = true },
        } do
            local stop, err, details = m:on_change(print, opts)
            assert.same({ nil, text, "bad_request" }, { stop, err, details.name })
        end
    end)
end)
