-- Generated from src/resty/etcd/transport/error_hints.ts by TypeScriptToLua. Do not edit.
local _M = {}
local find = string.find
local sub = string.sub

--- Hint of several texts.
local UNKNOWN_CA = "nginx does not know the CA of the server's certificate: see lua_ssl_trusted_certificate (or opts.trusted_ca), and lua_ssl_verify_depth for intermediate CAs"
local DATES = "check the dates of the server's certificate and of its CA, and the clock of this machine"

--- Hints for error texts that do not name their cause: a plain part of the text, and the hint.
local HINTS = {
    {"404 page not found", "nothing serves etcd's JSON gateway here: --enable-grpc-gateway=false, another port, or a wrong api_prefix"},
    {"CommonName of client", "with auth on, etcd's gateway takes no client certificate that has a CommonName: use one without, and user and password"},
    {"certificate host mismatch", "the certificate is not for this name; nginx checks host names only, so for an IP address set opts.sni to a name in the certificate"},
    {"certificate verification failed", "nginx did not say why: the certificate is not for this name (see opts.sni), out of date, or of a CA that lua_ssl_trusted_certificate lacks"},
    {"handshake failed", "not a TLS port, no TLS version in common (see lua_ssl_protocols), or the server wants a client certificate it trusts; nginx logs more (SSL_do_handshake)"},
    {"certificate has expired", DATES},
    {"certificate is not yet valid", DATES},
    {"unable to get local issuer certificate", UNKNOWN_CA},
    {"unable to get issuer certificate", UNKNOWN_CA},
    {"unable to verify the first certificate", UNKNOWN_CA},
    {"self-signed certificate", UNKNOWN_CA},
    {"self signed certificate", UNKNOWN_CA},
    {"no resolver defined", "nginx resolves host names only with a resolver directive; /etc/hosts is not read"},
    {"could not be resolved", "nginx asks the DNS server of its resolver directive; /etc/hosts is not read"},
    {"not in this phase", "this phase has no sockets: call from rewrite, access, content or a timer"},
    {"authentication is not enabled", "user and password are set, but etcd's auth is off"},
    {"user name is empty", "etcd's auth is on: the client needs user and password"}
}

--- The connection was closed without a response.
local NO_ANSWER = "if the server never responds: the port serves only TLS or only gRPC (--listen-client-http-urls)"
local NO_ANSWER_IN_TLS = "if the server never responds: the port serves only gRPC (--listen-client-http-urls), or the server does not trust the client's certificate"

--- With TLS 1.3, servers check the client certificate after the handshake. nginx reports their alert only as "error".
local ALERT = "the server ended the TLS session: check the client certificate, and SSL_read in the log of nginx"

--- Returns the likely cause of an error, or nil.
---@param text string the error text; that of a connection error begins with the endpoint
---@param silent boolean the server closed the connection without a response
---@return string?
local function hint_for(text, silent)
    for ____, pair in ipairs(HINTS) do
        local from = find(text, pair[1], 1, true)
        if from ~= nil then
            return pair[2]
        end
    end
    local is_secure = sub(text, 1, 8) == "https://"
    if is_secure and sub(text, -7) == ": error" then
        return ALERT
    end
    if not silent then
        return nil
    end
    return is_secure and NO_ANSWER_IN_TLS or NO_ANSWER
end
_M.hint_for = hint_for

return _M
