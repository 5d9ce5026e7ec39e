-- Requests to etcd that bypass the driver.
local cjson = require "cjson.safe"

local wire = {}

local function connect(base, seconds)
    local host, port = base:match("^http://([^:]+):(%d+)$")
    local sock = assert(ngx.socket.tcp())
    sock:settimeouts(seconds * 1000, seconds * 1000, seconds * 1000)
    local ok, err = sock:connect(host, tonumber(port))
    if not ok then
        return nil, err
    end
    return sock
end

-- HTTP/1.0: the response ends with the connection, and streams are not chunked.
local function request(method, path, text, token)
    return ("%s %s HTTP/1.0\r\nHost: etcd\r\n%sContent-Length: %d\r\n\r\n%s")
        :format(method, path, token and "Authorization: " .. token .. "\r\n" or "", #text, text)
end

-- Returns the HTTP status and the body of the response, or nil and an error.
function wire.exchange(base, method, path, text, seconds, token)
    local sock, err = connect(base, seconds)
    if not sock then
        return nil, err
    end
    local sent, response
    sent, err = sock:send(request(method, path, text, token))
    if sent then
        response, err = sock:receive("*a")
    end
    sock:close()
    local head, rest = (response or ""):match("^(.-)\r\n\r\n(.*)$")
    if not head then
        return nil, err or "no response"
    end
    return tonumber(head:match("^HTTP/%d%.%d (%d+)")), rest
end

-- POSTs a table as JSON. Returns the HTTP status and the decoded response.
function wire.post(base, path, body, token)
    local status, rest = wire.exchange(base, "POST", path, assert(cjson.encode(body)), 15, token)
    return assert(status, rest), cjson.decode(rest)
end

-- POSTs a table as JSON, and calls `on_line` with each decoded line of the response until it returns true.
function wire.stream(base, path, body, on_line)
    local sock = assert(connect(base, 15))
    assert(sock:send(request("POST", path, assert(cjson.encode(body)))))
    repeat
        local line = assert(sock:receive("*l"))
    until line == ""
    repeat
        local line = assert(sock:receive("*l"))
    until on_line(assert(cjson.decode(line)))
    sock:close()
end

-- Logs a user in. Returns the token.
function wire.token(base, user, password)
    local status, body = wire.post(base, "/v3/auth/authenticate", { name = user, password = password })
    assert(status == 200, "login rejected")
    return body.token
end

return wire
