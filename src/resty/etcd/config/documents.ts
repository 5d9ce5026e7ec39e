import * as cjson from "cjson.safe";
import type { IndexFn, Kv, Options, Transform, Validate } from "../mirror/types";

/** Any value that the serializer supports. */
type Document = any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/** Returns the document of a key. A stored null is no document: nil. */
function of(kv: Kv | undefined): Document {
    const value: unknown = kv?.value;
    return value !== cjson.null ? value : undefined;
}

function validate_document(validate: Validate): Validate {
    return (value, key) => {
        if (value === cjson.null) {
            return $multi(true);
        }
        return validate(value, key);
    };
}

function transform_document(transform: Transform): Transform {
    return (value, kv) => {
        if (value === cjson.null) {
            return $multi(value);
        }
        return transform(value, kv);
    };
}

function index_document(index: IndexFn): IndexFn {
    return (value, kv) => (value !== cjson.null ? index(value, kv) : undefined);
}

/** Changes the functions among the options of a mirror, so that they do not receive a stored null. */
function skip_null(opts: Options): void {
    if (opts.validate !== undefined) {
        opts.validate = validate_document(opts.validate);
    }
    if (opts.transform !== undefined) {
        opts.transform = transform_document(opts.transform);
    }
    if (opts.index !== undefined) {
        const indexes: Record<string, IndexFn> = {};
        for (const [name, index] of pairs(opts.index)) {
            indexes[name] = index_document(index);
        }
        opts.index = indexes;
    }
}

export { of, skip_null, type Document };
