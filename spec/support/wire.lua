-- Requests past the driver: what etcd itself says.
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

-- HTTP/1.0: the answer ends with the connection, and a stream's lines are not in chunks.
local function request(method, path, text, token)
    return ("%s %s HTTP/1.0\r\nHost: etcd\r\n%sContent-Length: %d\r\n\r\n%s")
        :format(method, path, token and "Authorization: " .. token .. "\r\n" or "", #text, text)
end

-- Returns the HTTP status and the text of the answer, or nil and an error.
function wire.exchange(base, method, path, text, seconds, token)
    local sock, err = connect(base, seconds)
    if not sock then
        return nil, err
    end
    local sent, answer
    sent, err = sock:send(request(method, path, text, token))
    if sent then
        answer, err = sock:receive("*a")
    end
    sock:close()
    local head, rest = (answer or ""):match("^(.-)\r\n\r\n(.*)$")
    if not head then
        return nil, err or "no answer"
    end
    return tonumber(head:match("^HTTP/%d%.%d (%d+)")), rest
end

-- POSTs a table as JSON; returns the HTTP status and the decoded answer.
function wire.post(base, path, body, token)
    local status, rest = wire.exchange(base, "POST", path, assert(cjson.encode(body)), 15, token)
    return assert(status, rest), cjson.decode(rest)
end

-- POSTs a table as JSON and hands each line of the answer, decoded, to `on_line` until that returns true.
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

-- A token of a user.
function wire.token(base, user, password)
    local status, body = wire.post(base, "/v3/auth/authenticate", { name = user, password = password })
    assert(status == 200, "login refused")
    return body.token
end

return wire
