import * as cjson from "cjson.safe";

/** Values are Lua values, stored as JSON. */
const serialize = cjson.encode;
/** `nil, err` for what is not JSON. */
const deserialize = cjson.decode;

export { deserialize, serialize };
