import * as cjson from "cjson.safe";
import * as printable from "../base/printable";
import type { Headers } from "../transport/transport";

/** Maximum bytes of the JSON: OpenResty cuts its log lines there. */
const MAX_JSON = 4096;

/** Returns the user's header fields as JSON for log lines. */
function to_json(fields: Headers): Printable | undefined {
    const [json] = cjson.encode(fields);
    return json !== undefined ? printable.of(json, MAX_JSON) : undefined;
}

export { to_json };
