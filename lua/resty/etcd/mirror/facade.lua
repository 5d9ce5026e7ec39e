-- Generated from src/resty/etcd/mirror/facade.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- An object that reads from a mirror and has some of the mirror's methods.
---@class resty.etcd.mirror.facade.Facade
---@field mirror resty.etcd.mirror.mirror.Mirror

--- As `m:age()`.
---@param self resty.etcd.mirror.facade.Facade
---@return number
local function age(self)
    return self.mirror:age()
end

--- As `m:close()`.
---@param self resty.etcd.mirror.facade.Facade
---@return true
local function close(self)
    return self.mirror:close()
end

--- As `m:ready()`.
---@param self resty.etcd.mirror.facade.Facade
---@return boolean
local function ready(self)
    return self.mirror:ready()
end

--- As `m:state()`.
---@param self resty.etcd.mirror.facade.Facade
---@return resty.etcd.mirror.status.Status
local function state_of(self)
    return self.mirror:state()
end

--- As `m:wait_ready()`.
---@param self resty.etcd.mirror.facade.Facade
---@param timeout? number
---@return true? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function wait_ready(self, timeout)
    return self.mirror:wait_ready(timeout)
end
_M.age = age
_M.close = close
_M.ready = ready
_M.state_of = state_of
_M.wait_ready = wait_ready

return _M
