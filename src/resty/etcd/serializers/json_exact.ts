import * as json_limits from "./json_limits";
import * as json_reader from "./json_reader";
import * as json_writer from "./json_writer";

/** Encodes a Lua value as JSON. Returns nil and an error text with the path of a value that JSON cannot keep exactly. */
const serialize = json_writer.encode;
/** Decodes JSON. Returns nil and an error text if the bytes are not JSON, or cannot be written back unchanged. */
const deserialize = json_reader.decode;
/** The metatable of decoded arrays. An empty table that has it is encoded as `[]`. */
const array_mt = json_limits.array_mt;

export { array_mt, deserialize, serialize };
