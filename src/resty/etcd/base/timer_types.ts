import type { Semaphore } from "ngx.semaphore";

/** Makes one turn. Returns the seconds until the next one, or nil to end the loop. */
type Turn = (this: void) => number | undefined;

interface LoopOptions {
    /**
     * Which timers the turns run in. "short" (default): turns that end soon, or hand over. "streams": turns that can last
     * for as long as the worker, and keep their timer. "user_functions": turns that call functions of users, which can
     * terminate the timer.
     */
    pool?: "short" | "streams" | "user_functions";
    /**
     * Called if a turn was terminated together with its timer, before the next turn. Returns true if a function that the
     * turn called did that: the loop then shares no timer with others while timers of a separate pool last.
     */
    on_terminated?: (this: void) => boolean;
    /**
     * Seconds that a running turn has to return after the worker began to exit; then it is killed. Default: no limit. The
     * last turn, which follows, is not killed: it must limit the time that it takes.
     */
    exit_grace?: number;
}

interface TimerLoop {
    /** What log lines begin with, like `watch of /routes/`. */
    readonly name: Printable;
    readonly run: Turn;
    readonly options: LoopOptions;
    /** The timers that it can run in. */
    pool: HostPool;
    /** The timer of its next turn; nil while it waits for one. */
    home: Host | undefined;
    /** More turns will come. */
    is_started: boolean;
    /** When the next turn is due; nil while one is running. */
    due: number | undefined;
    /** The host of the turn that is running. */
    host: Host | undefined;
    /** It was woken during its turn: the next one follows immediately. */
    is_woken: boolean;
    /** The last turn, of a worker that is exiting, has begun. */
    is_last_turn: boolean;
    /** Times that it was started: tells a turn of before a stop from those after it. */
    starts: number;
}

interface RunningTurn {
    readonly loop: TimerLoop;
    /** What `starts` of the loop was. */
    readonly start: number;
    thread: ngx.thread.Thread | undefined;
    is_over: boolean;
}

/** A timer that turns run in. */
interface Host {
    readonly pool: HostPool;
    /** The host that it takes the loops of. */
    readonly replaces: Host | undefined;
    /** Wakes its main thread. */
    readonly signal: Semaphore;
    /** The main thread has something to look for. */
    is_notified: boolean;
    /** When it was requested, then when it began to run. */
    created_at: number;
    /** Light threads that have ended and other things that nginx frees only with the timer. */
    leftovers: number;
    /** The loops whose next turn runs here. */
    loops: TimerLoop[];
    turns: RunningTurn[];
    /** Another host has its loops: it ends with the last turn. */
    is_retired: boolean;
    /** Its turns must return although they belong to streams, which are opened again in another host. */
    is_evicted: boolean;
    /** Checks of the supervisor since its main thread last ran. */
    missed: number;
}

/** A limited number of timers that loops of one kind share. */
interface HostPool {
    /** The function of its hosts' timers. */
    readonly run_host: (this: void, premature: boolean, host: Host) => void;
    /** Hosts that accept loops at the same time; as many again can be retired. */
    readonly max_hosts: number;
    /** Loops of each host before another host is requested. */
    readonly loops_per_host: number;
    /** Seconds after which a host is replaced. */
    readonly max_age: number;
    /** Number of `leftovers` after which a host is replaced. */
    readonly max_leftovers: number;
    /** Hosts that run and accept loops. */
    hosts: Host[];
    /** Hosts that run and were replaced. */
    retired: Host[];
    /** Loops that wait for a host. */
    waiting: TimerLoop[];
    /** A host whose timer nginx has not run yet, and might have dropped. */
    requested: Host | undefined;
    /** Requests in a row that nginx refused or dropped. */
    failed_requests: number;
    /** No host is requested before that time. */
    next_request_at: number;
}

export type { Host, HostPool, LoopOptions, RunningTurn, TimerLoop, Turn };
