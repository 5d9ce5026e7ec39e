import * as cjson from "cjson.safe";

/** Encodes a Lua value as JSON. */
const serialize = cjson.encode;
/** Decodes JSON. Returns nil and an error text if the bytes are not JSON. */
const deserialize = cjson.decode;

export { deserialize, serialize };
