import * as cjson from "../../base/private_cjson";
import * as enums from "../../protocol/enums";
import * as int64 from "../../protocol/int64";
import type { FieldType, MessageType, Scalar } from "../../protocol/schema";

const json_text = cjson.encode;
const null_value = cjson.null;
const encode_base64 = ngx.encode_base64;
const decode_base64 = ngx.decode_base64;
const concat = table.concat;

/** A message as a Lua table. */
type Fields = LuaMap<string, unknown>;

const EXPECTED: Record<Scalar, string> = {
    bytes: "string",
    string: "string",
    int64: "integer",
    uint64: "integer",
    bool: "boolean",
};

/** Returns the JSON of a scalar or an enum value, or nil if the value has another type. */
function scalar_text(field: FieldType, value: unknown): string | undefined {
    const scalar = field.scalar;
    if (scalar === "bytes") {
        return typeof value === "string" ? `"${encode_base64(value)}"` : undefined;
    }
    if (scalar === "bool") {
        return typeof value === "boolean" ? tostring(value) : undefined;
    }
    if (scalar === "string") {
        return typeof value === "string" ? json_text(value)[0]! : undefined;
    }
    if (scalar === undefined) {
        const name = enums.name_of(field.values!, value);
        return name !== undefined ? `"${name}"` : undefined;
    }
    const text = int64.to_text(value);
    return text !== undefined ? `"${text}"` : undefined;
}

/** Appends the JSON of a message to `out`. Returns what is wrong with the message, or nil. */
function write_message(out: string[], message: MessageType, fields: Fields): Problem {
    let separator = '{"';
    for (const [name, value] of fields) {
        const field = message.get(name);
        if (field === undefined) {
            return `unknown field ${name}`;
        }
        out.push(`${separator}${name}":`);
        separator = ',"';
        const inner = field.message;
        if (field.repeated !== true && inner === undefined) {
            const text = scalar_text(field, value);
            if (text === undefined) {
                const expected = field.scalar;
                return expected !== undefined
                    ? `${name} must be ${EXPECTED[expected]}`
                    : `${name} has no such value: ${tostring(value)}`;
            }
            out.push(text);
        } else if (typeof value !== "object") {
            return `${name} must be table`;
        } else if (field.repeated !== true) {
            const err = write_message(out, inner!, value as Fields);
            if (err !== undefined) {
                return err;
            }
        } else {
            out.push("[");
            for (const [i, item] of ipairs(value as unknown[])) {
                if (i > 1) {
                    out.push(",");
                }
                if (inner === undefined) {
                    const text = scalar_text(field, item);
                    if (text === undefined) {
                        return `${name} has no such value: ${tostring(item)}`;
                    }
                    out.push(text);
                } else if (typeof item !== "object") {
                    return `${name} must hold tables`;
                } else {
                    const err = write_message(out, inner, item as Fields);
                    if (err !== undefined) {
                        return err;
                    }
                }
            }
            out.push("]");
        }
    }
    out.push(separator === '{"' ? "{}" : "}");
    return undefined;
}

/**
 * Encodes a message in the form that the gateway of every etcd version accepts: proto names, int64 in quotes, padded
 * base64, enum names in upper case.
 * @param fields the message; a field of a wrong type is an error
 */
function encode(message: MessageType, fields: Fields): Result<string> {
    const out: string[] = [];
    const err = write_message(out, message, fields);
    if (err !== undefined) {
        return $multi(undefined, err);
    }
    return $multi(concat(out));
}

/**
 * Converts a scalar of a reply.
 * @returns the value, nil if it is zero; the second is true if the value has another type
 */
function read_scalar(field: FieldType, value: unknown): LuaMultiReturn<[unknown, boolean?]> {
    const scalar = field.scalar;
    if (scalar === "bytes") {
        if (value === "") {
            return $multi(undefined);
        }
        if (typeof value !== "string") {
            return $multi(undefined, true);
        }
        const bytes = decode_base64(value);
        return $multi(bytes, bytes === undefined);
    }
    if (scalar === "bool") {
        if (value === false) {
            return $multi(undefined);
        }
        return $multi(value, value !== true);
    }
    if (scalar === "string") {
        if (value === "") {
            return $multi(undefined);
        }
        return $multi(value, typeof value !== "string");
    }
    if (scalar === undefined) {
        const name = enums.name_of(field.values!, value);
        if (name !== undefined && field.values![name] === 0) {
            return $multi(undefined);
        }
        return $multi(name, name === undefined);
    }
    const text = int64.read(value, scalar === "int64");
    if (text === "0") {
        return $multi(undefined);
    }
    return $multi(text, text === undefined);
}

/** Converts the decoded JSON of a message in place. Returns the name of a malformed field, or nil. */
function read_message(message: MessageType, name: string, json: unknown): string | undefined {
    if (typeof json !== "object") {
        return name;
    }
    const fields = json as Fields;
    // Lua allows assigning to existing fields during a traversal, nil included
    for (const [key, value] of fields) {
        const field = message.get(key);
        if (field === undefined) {
            continue; // a field of a newer etcd
        }
        const inner = field.message;
        if (value === null_value) {
            fields.delete(key);
        } else if (field.repeated !== true && inner === undefined) {
            const [scalar, bad] = read_scalar(field, value);
            if (bad === true) {
                return key;
            }
            fields.set(key, scalar);
        } else if (field.repeated !== true) {
            const bad = read_message(inner!, key, value);
            if (bad !== undefined) {
                return bad;
            }
        } else if (typeof value !== "object") {
            return key;
        } else {
            const items = value as unknown[];
            const n = items.length;
            for (const i of $range(1, n)) {
                if (inner !== undefined) {
                    const bad = read_message(inner, key, items[i - 1]);
                    if (bad !== undefined) {
                        return bad;
                    }
                } else {
                    const [scalar, bad] = read_scalar(field, items[i - 1]);
                    if (bad === true || scalar === undefined) {
                        return key;
                    }
                    items[i - 1] = scalar;
                }
            }
            if (n === 0) {
                fields.delete(key);
            }
        }
    }
    return undefined;
}

/**
 * Converts decoded JSON to a message in place. Fields that the schema does not contain are left unchanged.
 * @returns nil, or the name of a malformed field
 */
function decode(message: MessageType, json: unknown): string | undefined {
    return read_message(message, "body", json);
}

export { decode, encode, type Fields };
