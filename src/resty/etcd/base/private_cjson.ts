import * as shared_cjson from "cjson.safe";
import type { Instance } from "cjson.safe";

/** Depth of nested arrays and objects, as of cjson's default. */
const MAX_DEPTH = 1000;

/**
 * Returns an instance of cjson whose settings no other program changes: those of the shared one hold for all programs of an
 * nginx worker, and with a `decode_max_depth` of 4 it decodes no reply of etcd. cjson before 2.1 has only the shared one.
 */
function create(): Instance {
    const create_instance = shared_cjson.new;
    if (create_instance === undefined) {
        return shared_cjson;
    }
    const cjson = create_instance();
    const set_max_depth = cjson.decode_max_depth;
    if (set_max_depth !== undefined) {
        set_max_depth(MAX_DEPTH);
    }
    return cjson;
}

const instance = create();
const decode = instance.decode;
const encode = instance.encode;
const null_value = instance.null;

export { decode, encode, null_value as null };
