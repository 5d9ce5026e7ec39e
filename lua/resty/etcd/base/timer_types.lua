-- Generated from src/resty/etcd/base/timer_types.ts by TypeScriptToLua. Do not edit.
local _M = {}

---@class resty.etcd.base.timer_types.LoopOptions
---@field pool? ("short"|"streams"|"user_functions") Which timers the turns run in. "short" (default): turns that end soon, or hand over. "streams": turns that can last for as long as the worker, and keep their timer. "user_functions": turns that call functions of users, which can terminate the timer.
---@field on_terminated? (fun(): boolean) Called if a turn was terminated together with its timer, before the next turn. Returns true if a function that the turn called did that: the loop then shares no timer with others while timers of a separate pool last.
---@field exit_grace? number Seconds that a running turn has to return after the worker began to exit; then it is killed. Default: no limit. The last turn, which follows, is not killed: it must limit the time that it takes.

---@class resty.etcd.base.timer_types.TimerLoop
---@field name string What log lines begin with, like `watch of /routes/`.
---@field run fun(): number?
---@field options resty.etcd.base.timer_types.LoopOptions
---@field pool resty.etcd.base.timer_types.HostPool The timers that it can run in.
---@field home resty.etcd.base.timer_types.Host? The timer of its next turn; nil while it waits for one.
---@field is_started boolean More turns will come.
---@field due number? When the next turn is due; nil while one is running.
---@field host resty.etcd.base.timer_types.Host? The host of the turn that is running.
---@field is_woken boolean It was woken during its turn: the next one follows immediately.
---@field is_last_turn boolean The last turn, of a worker that is exiting, has begun.
---@field starts number Times that it was started: tells a turn of before a stop from those after it.

---@class resty.etcd.base.timer_types.RunningTurn
---@field loop resty.etcd.base.timer_types.TimerLoop
---@field start number What `starts` of the loop was.
---@field thread table?
---@field is_over boolean

--- A timer that turns run in.
---@class resty.etcd.base.timer_types.Host
---@field pool resty.etcd.base.timer_types.HostPool
---@field replaces resty.etcd.base.timer_types.Host? The host that it takes the loops of.
---@field signal table Wakes its main thread.
---@field is_notified boolean The main thread has something to look for.
---@field created_at number When it was requested, then when it began to run.
---@field leftovers number Light threads that have ended and other things that nginx frees only with the timer.
---@field loops resty.etcd.base.timer_types.TimerLoop[] The loops whose next turn runs here.
---@field turns resty.etcd.base.timer_types.RunningTurn[]
---@field is_retired boolean Another host has its loops: it ends with the last turn.
---@field is_evicted boolean Its turns must return although they belong to streams, which are opened again in another host.
---@field missed number Checks of the supervisor since its main thread last ran.

--- A limited number of timers that loops of one kind share.
---@class resty.etcd.base.timer_types.HostPool
---@field run_host fun(premature: boolean, host: resty.etcd.base.timer_types.Host) The function of its hosts' timers.
---@field max_hosts number Hosts that accept loops at the same time; as many again can be retired.
---@field loops_per_host number Loops of each host before another host is requested.
---@field max_age number Seconds after which a host is replaced.
---@field max_leftovers number Number of `leftovers` after which a host is replaced.
---@field hosts resty.etcd.base.timer_types.Host[] Hosts that run and accept loops.
---@field retired resty.etcd.base.timer_types.Host[] Hosts that run and were replaced.
---@field waiting resty.etcd.base.timer_types.TimerLoop[] Loops that wait for a host.
---@field requested resty.etcd.base.timer_types.Host? A host whose timer nginx has not run yet, and might have dropped.
---@field failed_requests number Requests in a row that nginx refused or dropped.
---@field next_request_at number No host is requested before that time.

return _M
