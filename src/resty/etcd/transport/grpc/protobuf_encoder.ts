/**
 * Makes the encoder of a message type as Lua source. An encoder appends the pieces of its message to an array that all
 * messages share, so nothing is copied before the whole message is joined. The texts of errors are those of the
 * gateway's JSON codec.
 */
import * as lua_sources from "./lua_source";
import * as varint from "./varint";
import * as enums from "../../protocol/enums";
import type { Enum, MessageType } from "../../protocol/schema";
import type { LuaSource, NamedField } from "./lua_source";
import type { CodecOf, Encode } from "./types";

const add = lua_sources.add;
const bind = lua_sources.bind;
const format = string.format;
const literal = lua_sources.literal;

/** Lua types of scalars, for errors. */
const EXPECTED = { bytes: "string", string: "string", int64: "integer", uint64: "integer", bool: "boolean" };

function wrong_type(name: string, expected: string): Problem {
    return `${name} must be ${expected}`;
}

function wrong_value(name: string, value: unknown): Problem {
    return `${name} has no such value: ${tostring(value)}`;
}

function wrong_items(name: string): Problem {
    return `${name} must hold tables`;
}

function too_deep(name: string): Problem {
    return `${name} is nested too deeply`;
}

/** Returns an error for the first field that a message type does not contain. */
function unknown_field(message: MessageType, fields: LuaMap<string, unknown>): Problem {
    for (const [name] of fields) {
        if (message.get(name) === undefined) {
            return `unknown field ${tostring(name)}`;
        }
    }
    return undefined;
}

/** Returns the number of an enum value in any spelling, or nil. */
function enum_number(values: Enum, value: unknown): number | undefined {
    const name = enums.name_of(values, value);
    return name !== undefined ? values[name] : undefined;
}

/** Sets `bytes` to the encoded value of a scalar or an enum in `v`. */
function add_scalar(source: LuaSource, field: NamedField, wrong: string): void {
    const scalar = field.type.scalar;
    if (scalar === "bytes" || scalar === "string") {
        add(source, 'bytes = v if type(v) ~= "string" then return nil, $1 end', wrong);
    } else if (scalar === "bool") {
        add(source, 'bytes = v and "\\1" or "" if type(v) ~= "boolean" then return nil, $1 end', wrong);
    } else if (scalar === undefined) {
        add(source, "bytes = enum_number(_$1_values, v) if not bytes then return nil, $2 end", field.name, wrong);
        add(source, 'bytes = bytes ~= 0 and encode_number(bytes) or ""');
    } else {
        add(
            source,
            "bytes = encode_integer(v, $1) if not bytes then return nil, $2 end",
            tostring(scalar === "int64"),
            wrong,
        );
    }
}

/** Appends a tag and the message in `v`. */
function add_message(source: LuaSource, field: NamedField, tag: string, wrong: string): void {
    add(source, 'if type(v) ~= "table" then return nil, $1 end', wrong);
    add(source, 'if depth >= $1 then return nil, too_deep("$2") end', format("%d", lua_sources.MAX_DEPTH), field.name);
    add(source, "last, inner = _$1_type.encode(v, out, n + 2, depth + 1)", field.name);
    add(source, "if not last then return nil, inner end");
    add(source, "length = SHORT[inner] or encode_number(inner)");
    add(source, "out[n + 1], out[n + 2], n = $1, length, last", literal(tag));
    add(source, "size = size + $1 + #length + inner", format("%d", tag.length));
}

/** Appends a tag and the scalar in `bytes`. */
function add_bytes(source: LuaSource, wire_type: 0 | 2, tag: string): void {
    const tag_length = format("%d", tag.length);
    if (wire_type === 0) {
        add(source, "out[n + 1], out[n + 2], n = $1, bytes, n + 2", literal(tag));
        add(source, "size = size + $1 + #bytes", tag_length);
    } else {
        add(source, "length = SHORT[#bytes] or encode_number(#bytes)");
        add(source, "out[n + 1], out[n + 2], out[n + 3], n = $1, length, bytes, n + 3", literal(tag));
        add(source, "size = size + $1 + #length + #bytes", tag_length);
    }
}

function add_list(source: LuaSource, field: NamedField, tag: string): void {
    const name = field.name;
    add(source, 'if type(v) ~= "table" then return nil, wrong_type("$1", "table") end', name);
    if (field.type.message !== undefined) {
        add(source, "for _, v in ipairs(v) do");
        add_message(source, field, tag, `wrong_items("${name}")`);
    } else if (lua_sources.wire_type_of(field.type) === 2) {
        add(source, "for _, v in ipairs(v) do");
        add_scalar(source, field, `wrong_value("${name}", v)`);
        add_bytes(source, 2, tag);
    } else {
        const packed = varint.encode_number(field.type.number * 8 + 2);
        add(source, "local first, from = n + 3, size n = n + 2");
        add(source, "for _, v in ipairs(v) do");
        add_scalar(source, field, `wrong_value("${name}", v)`);
        add(source, 'if bytes == "" then bytes = "\\0" end');
        add(source, "n = n + 1 out[n] = bytes size = size + #bytes end");
        add(source, "if n < first then n = n - 2 else");
        add(source, "length = encode_number(size - from)");
        add(source, "out[first - 2], out[first - 1] = $1, length", literal(packed));
        add(source, "size = size + $1 + #length", format("%d", packed.length));
    }
    add(source, "end");
}

function add_single(source: LuaSource, field: NamedField, tag: string): void {
    const expected = EXPECTED[field.type.scalar ?? "bytes"];
    if (field.type.message !== undefined) {
        add_message(source, field, tag, `wrong_type("${field.name}", "table")`);
        return;
    }
    const name = field.name;
    const wrong =
        field.type.values !== undefined ? `wrong_value("${name}", v)` : `wrong_type("${name}", "${expected}")`;
    add_scalar(source, field, wrong);
    add(source, 'if bytes ~= "" then');
    add_bytes(source, lua_sources.wire_type_of(field.type), tag);
    add(source, "end");
}

/** Makes the encoder of a message type. */
function make(message: MessageType, codec_of: CodecOf): Encode {
    const fields = lua_sources.sorted_fields(message);
    const source = lua_sources.new();
    bind(source, "SHORT", varint.SHORT);
    bind(source, "encode_number", varint.encode_number);
    bind(source, "encode_integer", varint.encode_integer);
    bind(source, "enum_number", enum_number);
    bind(source, "wrong_type", wrong_type);
    bind(source, "wrong_value", wrong_value);
    bind(source, "wrong_items", wrong_items);
    bind(source, "too_deep", too_deep);
    bind(source, "unknown_field", unknown_field);
    bind(source, "message", message);
    for (const field of fields) {
        if (field.type.message !== undefined) {
            bind(source, `_${field.name}_type`, codec_of(field.type.message));
        } else if (field.type.values !== undefined) {
            bind(source, `_${field.name}_values`, field.type.values);
        }
    }
    add(source, "return function(fields, out, n, depth)");
    add(source, "local size, known = 0, 0");
    add(source, "local v, bytes, length, last, inner");
    for (const field of fields) {
        const tag = varint.encode_number(field.type.number * 8 + lua_sources.wire_type_of(field.type));
        add(source, "v = fields.$1 if v ~= nil then known = known + 1", field.name);
        if (field.type.repeated === true) {
            add_list(source, field, tag);
        } else {
            add_single(source, field, tag);
        }
        add(source, "end");
    }
    add(source, "for _ in pairs(fields) do known = known - 1 end");
    add(source, "if known < 0 then return nil, unknown_field(message, fields) end");
    add(source, "return n, size end");
    return lua_sources.compile<Encode>(source, "protobuf encoder");
}

export { make };
