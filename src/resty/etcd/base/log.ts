import * as errlog from "ngx.errlog";

const level = errlog.get_sys_filter_level;
const INFO = ngx.INFO;

/** Reports whether nginx writes lines of level info. Check it before a line is built, which costs time. */
function info_enabled(): boolean {
    return level() >= INFO;
}

export { info_enabled };
