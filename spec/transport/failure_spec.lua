local failures = require "resty.etcd.transport.failure"
local faults = require "resty.etcd.transport.fault"

local HOST = "http://h:1"

local function call_error(failure)
    local err = failures.call_error(failure, HOST)
    return { err.name, err.message, err.http_status, err.hint ~= nil }
end

describe("the failure of an exchange", function()
    it("is named by the step that failed, and by whether the request was possibly sent", function()
        for text, names in pairs {
            ["timeout"] = { "timeout", "timeout" },
            ["closed"] = { "connect_failed", "connection_lost" },
            ["connection reset by peer"] = { "connect_failed", "connection_lost" },
            ["broken pipe"] = { "connect_failed", "connection_lost" },
            ["connection refused"] = { "connect_failed", "connection_lost" },
            ["malformed reply: a text of nginx"] = { "connect_failed", "connection_lost" },
            ["trusted_ca: a text of nginx"] = { "connect_failed", "connection_lost" },
        } do
            for i, sent in ipairs { false, true } do
                local failure = faults.to_failure(faults.of_socket(text), sent)
                local err = failures.call_error(failure, HOST)
                assert.equal(sent, failure.sent)
                assert.equal(names[i], err.name, text)
                assert.equal(HOST .. ": " .. text, err.message)
                assert.equal(HOST, err.endpoint)
            end
        end
    end)

    it("has a hint if the server closed the connection", function()
        for text, has_hint in pairs { closed = true, ["broken pipe"] = true, timeout = false, refused = false } do
            local failure = faults.to_failure(faults.of_socket(text), true)
            assert.equal(has_hint, failures.call_error(failure, HOST).hint ~= nil, text)
        end
    end)

    it("leaves retries to the call", function()
        local err = failures.call_error(faults.to_failure(faults.of_socket("closed"), true), HOST)
        assert.is_false(err.retryable)
        assert.is_false(err.maybe_applied)
    end)

    it("is bad_request if the client causes it, whether or not a part was sent", function()
        for _, sent in ipairs { false, true } do
            local failure = faults.to_failure(faults.make_fault("config", "client key: missing"), sent)
            assert.same({ "bad_request", HOST .. ": client key: missing", nil, false }, call_error(failure))
        end
    end)

    it("is not_in_phase, with a hint, if the phase has no sockets", function()
        local failure = faults.to_failure(faults.make_fault("phase", "not in this phase: API disabled"), false)
        assert.same({ "not_in_phase", HOST .. ": not in this phase: API disabled", nil, true }, call_error(failure))
    end)

    it("keeps the text of an invalid URL and of an undecodable response", function()
        assert.same({ "bad_request", "invalid http host", nil, false },
            call_error(failures.local_failure("url", "invalid http host", false)))
        local failure = failures.local_failure("undecodable", "invalid response body: x", true)
        failure.http_status = 200
        assert.same({ "bad_reply", "invalid response body: x", 200, false }, call_error(failure))
    end)

    it("of a stream keeps the text of the socket", function()
        local failure = faults.to_failure(faults.of_socket("connection reset by peer"), true)
        local err = failures.stream_error(failure, HOST)
        assert.equal("connection_lost", err.name)
        assert.equal("connection reset by peer", err.message)
        assert.equal(HOST, err.endpoint)
    end)

    it("of the server has the status and the gRPC code", function()
        local err = failures.call_error(failures.status_failure(503, 14, "etcdserver: no leader"), HOST)
        assert.equal("unavailable", err.name)
        assert.equal(14, err.code)
        assert.equal(503, err.http_status)
        assert.equal("etcdserver: no leader", err.message)
    end)
end)
