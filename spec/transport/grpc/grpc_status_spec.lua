local grpc_status = require "resty.etcd.transport.grpc.grpc_status"

local OK = { [":status"] = "200", ["content-type"] = "application/grpc" }
local NONE = {}

local function failure_of(headers, trailers, page, secrets)
    return grpc_status.failure_of(headers, trailers, page or "", secrets or NONE)
end

describe("status of a gRPC call", function()
    it("is OK with status 0 only", function()
        assert.is_nil(failure_of(OK, { ["grpc-status"] = "0", ["grpc-message"] = "" }))
        local failure = failure_of(OK, {})
        assert.same({ "malformed", "malformed reply: no grpc-status", true }, { failure.kind, failure.text, failure.sent })
        assert.same("malformed", failure_of(OK, nil).kind)
    end)

    it("gives the HTTP status that etcd's gateway gives for each code", function()
        local expected = { 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401 }
        for code, http_status in ipairs(expected) do
            local failure = failure_of(OK, { ["grpc-status"] = tostring(code), ["grpc-message"] = "etcdserver: why" })
            assert.same({ "status", code, http_status, "etcdserver: why" }, { failure.kind, failure.code, failure.http_status, failure.text })
            assert.same({
                status = http_status,
                headers = { ["content-type"] = "application/grpc" },
                body = { error = "etcdserver: why", message = "etcdserver: why", code = code },
            }, failure.reply)
        end
    end)

    it("is unknown for codes that do not exist", function()
        for _, text in ipairs { "17", "-1", "", "1e1", "x", "00", "100", "0x3", "999999999999999999999" } do
            local failure = failure_of(OK, { ["grpc-status"] = text })
            assert.same({ "status", 2, 500, "gRPC status 2" }, { failure.kind, failure.code, failure.http_status, failure.text })
        end
    end)

    it("is in the headers if there are no trailers, whatever their type", function()
        local failure = failure_of({ [":status"] = "200", ["content-type"] = "application/grpc", ["grpc-status"] = "14", ["grpc-message"] = "no%20leader" })
        assert.same({ 14, 503, "no leader" }, { failure.code, failure.http_status, failure.text })
        assert.same(5, failure_of({ [":status"] = "200", ["grpc-status"] = "5" }).code)
        assert.is_nil(failure_of({ [":status"] = "200", ["grpc-status"] = "0" }))
    end)

    it("has a message whose bytes are decoded as in URLs", function()
        for text, decoded in pairs {
            ["a%20b%0a%C3%a9%25"] = "a b\n\195\169%", ["100%"] = "100%", ["%zz%4"] = "%zz%4", ["%2541"] = "%41", [""] = "gRPC status 3",
        } do
            assert.same(decoded, failure_of(OK, { ["grpc-status"] = "3", ["grpc-message"] = text }).text)
        end
    end)

    it("is an error of HTTP if something else responds", function()
        local failure = failure_of({ [":status"] = "502", ["content-type"] = "text/html" }, nil, "<html><title>502 Bad Gateway</title>")
        assert.same({ "status", nil, 502 }, { failure.kind, failure.code, failure.http_status })
        assert.same("HTTP 502 from something that is not etcd: 502 Bad Gateway", failure.text)
        assert.same(failure.text, failure.reply.body.error)
        failure = failure_of({ [":status"] = "200", ["content-type"] = "text/html" }, nil, "<title>Welcome</title>")
        assert.same({ "undecodable", 200, "HTTP 200 from something that is not etcd: Welcome" }, { failure.kind, failure.http_status, failure.text })
        assert.same("HTTP 404 from something that is not etcd: empty response", failure_of({ [":status"] = "404" }).text)
    end)

    it("shows neither a token nor a password", function()
        local token = "secretsecret.42"
        local with_token = { token = token, is_secret = false }
        assert.same("bad ...!", failure_of(OK, { ["grpc-status"] = "3", ["grpc-message"] = "bad " .. token .. "!" }, "", with_token).text)
        assert.falsy(failure_of({ [":status"] = "400" }, nil, "token: " .. token, with_token).text:find(token, 1, true))
        local login = { is_secret = true }
        assert.same("gRPC status 3", failure_of(OK, { ["grpc-status"] = "3", ["grpc-message"] = "password pw1" }, "", login).text)
        assert.same("etcdserver: authentication failed",
            failure_of(OK, { ["grpc-status"] = "3", ["grpc-message"] = "etcdserver: authentication failed" }, "", login).text)
        assert.falsy(failure_of({ [":status"] = "400" }, nil, "password=pw1", login).text:find("pw1", 1, true))
    end)

    it("leaves the headers of later responses unchanged", function()
        local metadata = grpc_status.metadata_of(OK)
        metadata.x = "y"
        assert.is_nil(OK.x)
    end)
end)
