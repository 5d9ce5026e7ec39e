import * as errlog from "ngx.errlog";

const level = errlog.get_sys_filter_level;
const INFO = ngx.INFO;

/** True if info lines are written: ask before building one, so that it costs nothing when they are not. */
function info_enabled(): boolean {
    return level() >= INFO;
}

export { info_enabled };
