-- Bytes after a response that are in the same TLS record: OpenSSL has decrypted them when nginx checks the idle connection.
local bed = require "spec.support.bed"
local certificates = require "spec.support.certificates"

describe("connection with TLS", function()
    local output, pid, host

    setup(function()
        output = assert(io.popen(("node fault/tls_server.mjs '%s' '%s' & echo $!"):format(certificates.path "server.pem", certificates.path "server.key")))
        pid, host = output:read("*l"), "https://127.0.0.1:" .. output:read("*l")
    end)

    teardown(function()
        bed.run("kill " .. pid)
        output:close()
    end)

    local pools = 0

    -- Returns the values of four calls of a client with a separate pool.
    local function values(headers)
        pools = pools + 1
        local cli = assert(bed.new { http_host = host, ssl_verify = false, timeout = 10, extra_headers = headers, keepalive_pool = pools })
        local all = {}
        for i = 1, 4 do
            all[i] = assert(cli:get("k")).body.kvs[1].value
            ngx.sleep(0.01) -- nginx checks its idle connections
        end
        return table.concat(all, " ")
    end

    it("is not reused when a response is followed by bytes that were not asked for, whatever its length", function()
        for _, size in ipairs { 1000, 1024, 2048, 4095, 4096, 4097, 8192, 12288, 16384, 65536 } do
            assert.equal("1 1 1 1", values { ["X-Size"] = size, ["X-Extra"] = "1" }, size .. " bytes")
        end
    end)

    it("is reused after responses that do not fill the buffers of nginx", function()
        for _, size in ipairs { 1000, 4095, 4097, 50000 } do
            assert.equal("1 2 3 4", values { ["X-Size"] = size }, size .. " bytes")
        end
    end)
end)
