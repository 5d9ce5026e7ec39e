-- A configuration store: documents by name, readable in every phase, written only over the revision that was read.
local cjson = require "cjson.safe"
local config = require "resty.etcd.config"
local etcd = require "resty.etcd"

local _M = {}
local conf

-- For init_worker_by_lua.
function _M.start(opts)
    conf = assert(config.new(assert(etcd.new(opts)), "/config/"))
    conf:watch("log", function(document, revision)
        ngx.log(ngx.NOTICE, "log settings at revision ", revision, ": ", cjson.encode(document))
    end)
end

-- Returns a document, or the default if there is none.
function _M.get(name, default)
    return (conf:get(name, default))
end

local function respond(status, body)
    ngx.status = status
    ngx.header["Content-Type"] = "application/json"
    ngx.say(cjson.encode(body))
end

-- HTTP status by the name of the error.
local STATUS = { conflict = 409, invalid = 422, bad_request = 400, out_of_range = 404 }

local function fail(err, details)
    return respond(STATUS[details.name] or 503, { error = err, revision = details.revision })
end

local function read(name, revision)
    if revision then
        local document, at, details = conf:history(name, revision)
        if document ~= nil then
            return respond(200, { revision = at, document = document })
        elseif at then
            return fail(at, details)
        end
        return respond(404, { error = "no such document" })
    end
    local document, at, newer = conf:get(name)
    if document ~= nil then
        -- etcd can have a newer, invalid document: `newer` says why the last valid one is returned
        return respond(200, { revision = at, document = document, newer = newer })
    elseif at then
        return fail(at, newer) -- not ready
    elseif newer then
        return respond(422, { error = newer.err, revision = newer.mod_revision })
    end
    return respond(404, { error = "no such document" })
end

local function write(name, if_revision)
    ngx.req.read_body()
    local document, err = cjson.decode(ngx.req.get_body_data() or "")
    if document == nil then
        return respond(400, { error = err })
    end
    local revision, why, details = conf:put(name, document, { if_revision = if_revision })
    if revision then
        return respond(200, { revision = revision })
    end
    return fail(why, details)
end

-- For content_by_lua: GET /config/NAME[?revision=N], PUT /config/NAME[?if_revision=N]
function _M.serve(name)
    if ngx.req.get_method() == "PUT" then
        return write(name, ngx.var.arg_if_revision)
    end
    return read(name, ngx.var.arg_revision)
end

return _M
