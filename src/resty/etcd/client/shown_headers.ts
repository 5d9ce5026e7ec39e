import * as cjson from "cjson.safe";
import * as printable from "../base/printable";
import type { Headers } from "../transport/transport";

const find = string.find as StringFind;
const lower = string.lower;

/** Maximum bytes of the JSON: OpenResty cuts its log lines there. */
const MAX_JSON = 4096;

/** Stands for a value that is not shown. */
const MASK = "***";

/** Parts of the names of header fields whose values are not shown: log files have more readers than the configuration. */
const SECRET_PARTS = ["auth", "cookie", "credential", "key", "password", "secret", "token"];

function is_secret(name: string): boolean {
    const lower_name = lower(name);
    for (const part of SECRET_PARTS) {
        const [at] = find(lower_name, part, 1, true);
        if (at !== undefined) {
            return true;
        }
    }
    return false;
}

/** Returns the user's header fields as JSON for log lines, with masked values of those whose names look secret. */
function to_json(fields: Headers): Printable | undefined {
    const copy: Headers = new LuaMap();
    let has_secrets = false;
    for (const [name, value] of fields) {
        const secret = is_secret(name);
        copy.set(name, secret ? MASK : value);
        has_secrets = has_secrets || secret;
    }
    // the order of fields of a copy can differ, and programs search for the line
    const [json] = cjson.encode(has_secrets ? copy : fields);
    return json !== undefined ? printable.of(json, MAX_JSON) : undefined;
}

export { to_json };
