-- Requests past the driver: what etcd itself says.
local cjson = require "cjson.safe"

local wire = {}

-- POSTs a table as JSON, with a token if there is one; returns the HTTP status and the decoded answer.
function wire.post(base, path, body, token)
    local host, port = base:match("^http://([^:]+):(%d+)$")
    local sock = assert(ngx.socket.tcp())
    sock:settimeouts(5000, 5000, 15000)
    assert(sock:connect(host, tonumber(port)))
    local text = assert(cjson.encode(body))
    -- HTTP/1.0: the answer ends with the connection
    local fields = token and "Authorization: " .. token .. "\r\n" or ""
    assert(sock:send(("POST %s HTTP/1.0\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s"):format(
        path, host, fields, #text, text)))
    local answer = assert(sock:receive("*a"))
    sock:close()
    local head, rest = answer:match("^(.-)\r\n\r\n(.*)$")
    return tonumber(head:match("^HTTP/%d%.%d (%d+)")), cjson.decode(rest)
end

-- A token of a user.
function wire.token(base, user, password)
    local status, body = wire.post(base, "/v3/auth/authenticate", { name = user, password = password })
    assert(status == 200, "login refused")
    return body.token
end

return wire
