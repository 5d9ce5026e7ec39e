type Thread = ngx.thread.Thread;

/** Work that goes on in a timer for long. */
interface Heartbeat {
    /** Its timer has started. */
    running: boolean;
    /** Looks of the keeper since its last sign of life. */
    missed: number;
}

/** Called when a timer is no more; `had_begun` if it was ended, in the place of being dropped before. */
type OnLost = (this: void, had_begun: boolean) => void;

/** The keeper looks after all timers of this worker so often, in seconds; they give signs of life twice as often. */
const CHECK_INTERVAL = 1;
/** So many looks without a sign of life, and the timer is no more. */
const MAX_MISSED = 3;

const lives = new LuaMap<Heartbeat, OnLost>();
let is_kept = false;

function check_all(premature: boolean): void {
    if (premature) {
        return;
    }
    const lost: Heartbeat[] = [];
    for (const [life] of lives) {
        life.missed = life.missed + 1;
        if (life.missed >= MAX_MISSED) {
            lost.push(life);
        }
    }
    for (const life of lost) {
        const on_lost = lives.get(life);
        if (on_lost !== undefined) {
            const had_begun = life.running;
            life.running = false;
            life.missed = 0;
            on_lost(had_begun);
        }
    }
}

/**
 * Looks after work in a timer: nginx drops timers when too many run, which it says to nobody, and a user's function may
 * end the one that it is called in.
 */
function supervise(life: Heartbeat, on_lost: OnLost): Result<true> {
    if (!is_kept) {
        // such a timer comes again even where nginx has dropped it for once
        const [kept, err] = ngx.timer.every(CHECK_INTERVAL, check_all);
        if (kept === undefined) {
            return $multi(undefined, err);
        }
        is_kept = true;
    }
    lives.set(life, on_lost);
    return $multi(true);
}

/** It has come to its end by itself. */
function release(life: Heartbeat): void {
    lives.delete(life);
}

function beat(life: Heartbeat): void {
    while (true) {
        life.missed = 0;
        ngx.sleep(CHECK_INTERVAL / 2);
    }
}

/** To be called by the work's timer. Gives signs of life in a light thread, which must be killed at the end. */
function start_heartbeat(life: Heartbeat): Thread {
    life.running = true;
    return ngx.thread.spawn(beat, life);
}

/** Its next timer comes in so many seconds: until then there are no signs of life. */
function expect_restart_in(life: Heartbeat, seconds: number): void {
    life.running = false;
    life.missed = -math.ceil(seconds / CHECK_INTERVAL);
}

export { start_heartbeat, supervise, release, expect_restart_in, type Heartbeat };
