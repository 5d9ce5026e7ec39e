-- Certificates, issued by the CAs of the test bed.
local bed = require "spec.support.bed"

local _M = {}

local folder = bed.dir .. "/certs/"
local EXTENSIONS = {
    -- clientAuth too: etcd's gateway connects to etcd with the server certificate
    server = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n",
    client = "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n",
    ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n",
}

local function write(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
end

function _M.read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

-- Replaces a file atomically.
function _M.replace(path, text)
    write(path .. ".new", text)
    assert(os.rename(path .. ".new", path))
end

-- Returns the path of a file in the folder of the bed's certificates.
function _M.path(name)
    return folder .. name
end

-- Issues NAME.pem and NAME.key, and returns their paths. `opts`: kind (of EXTENSIONS, default "server"), issuer (name of a
-- CA, default "ca"), names (subjectAltName), subject (default "/CN=NAME"), days (default 30; -1: expired).
function _M.make(name, opts)
    local issuer = opts.issuer or "ca"
    write(folder .. name .. ".cnf", "[req]\ndistinguished_name = name\n[name]\n")
    write(folder .. name .. ".ext", EXTENSIONS[opts.kind or "server"]:format(opts.names or ""))
    local command = ([[cd '%s' && {
        openssl req -new -sha256 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -config NAME.cnf -subj '%s' \
            -keyout NAME.key -out NAME.csr &&
        openssl x509 -req -sha256 -in NAME.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days %d -extfile NAME.ext \
            -out NAME.pem; } 2>NAME.log]]):format(folder, opts.subject or "/CN=NAME", issuer, issuer, opts.days or 30)
    bed.run((command:gsub("NAME", name)))
    return folder .. name .. ".pem", folder .. name .. ".key"
end

-- Replaces a certificate and its key by others.
function _M.install(from, to)
    _M.replace(folder .. to .. ".key", _M.read(folder .. from .. ".key"))
    _M.replace(folder .. to .. ".pem", _M.read(folder .. from .. ".pem"))
end

return _M
