-- Generated from src/resty/etcd/base/phase.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Phases whose handlers cannot yield.
local CANNOT_WAIT = {
    init = true,
    init_worker = true,
    exit_worker = true,
    set = true,
    balancer = true,
    header_filter = true,
    body_filter = true,
    log = true,
    ssl_session_store = true
}

--- Reports whether the phase can yield, and thus wait for etcd. The list names the phases that cannot, because those that
--- ngx_lua adds over time, such as server_rewrite and precontent, can.
---@return boolean
local function can_wait()
    return CANNOT_WAIT[ngx.get_phase()] == nil
end

--- Reports whether nginx is still starting (init, init_worker). Light threads and cosockets do not exist there; a program
--- can have installed blocking replacements of sockets and `ngx.sleep`, which would only delay the start.
---@return boolean
local function is_starting()
    local name = ngx.get_phase()
    return name == "init" or name == "init_worker"
end

--- Reports whether the phase is init. It runs in the master process before the fork: no timers, no worker.
---@return boolean
local function is_init()
    return ngx.get_phase() == "init"
end
_M.can_wait = can_wait
_M.is_init = is_init
_M.is_starting = is_starting

return _M
