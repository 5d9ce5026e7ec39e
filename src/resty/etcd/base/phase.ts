/** Phases whose handlers cannot yield. */
const CANNOT_WAIT: Readonly<Record<string, true>> = {
    init: true,
    init_worker: true,
    exit_worker: true,
    set: true,
    balancer: true,
    header_filter: true,
    body_filter: true,
    log: true,
    ssl_session_store: true,
};

/**
 * Reports whether the phase can yield, and thus wait for etcd. The list names the phases that cannot, because those that
 * ngx_lua adds over time, such as server_rewrite and precontent, can.
 */
function can_wait(): boolean {
    return CANNOT_WAIT[ngx.get_phase()] === undefined;
}

/**
 * Reports whether nginx is still starting (init, init_worker). Light threads and cosockets do not exist there; a program
 * can have installed blocking replacements of sockets and `ngx.sleep`, which would only delay the start.
 */
function is_starting(): boolean {
    const name = ngx.get_phase();
    return name === "init" || name === "init_worker";
}

/** Reports whether the phase is init. It runs in the master process before the fork: no timers, no worker. */
function is_init(): boolean {
    return ngx.get_phase() === "init";
}

export { can_wait, is_init, is_starting };
