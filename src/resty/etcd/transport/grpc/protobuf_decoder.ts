/**
 * Makes the decoder of a message type as Lua source. The source has no loop but those over lists: it tests for each
 * field in the order of the numbers, in which all implementations encode them, so LuaJIT compiles the decoder of a
 * list's items to one straight trace. Fields in another order, unknown fields and repetitions take another call.
 */
import * as lua_sources from "./lua_source";
import * as varint from "./varint";
import type { MessageType } from "../../protocol/schema";
import type { LuaSource, NamedField } from "./lua_source";
import type { CodecOf, Decode } from "./types";

const add = lua_sources.add;
const bind = lua_sources.bind;
const byte = string.byte;
const concat = table.concat;
const format = string.format;

const READERS = { int64: "read_int64", uint64: "read_uint64", bool: "read_bool" };

/** Lua literal of zero, for lists: a list contains its zeros. */
const ZEROS = { int64: '"0"', uint64: '"0"', bool: "false" };

/** Bytes 1 to `tag.length` of a tag, as a condition. */
function tag_test(tag: string): string {
    const first = format("tag == %d", byte(tag, 1));
    return tag.length === 1 ? first : `${first} and byte(s, at + 1) == ${format("%d", byte(tag, 2))}`;
}

/** Reads a length, sets `at` to the first byte and `last` to the last one. */
function add_length(source: LuaSource, tag: string, name: string): void {
    add(source, `size = byte(s, at + ${format("%d", tag.length)}) or 128`);
    add(source, `at = at + ${format("%d", tag.length + 1)}`);
    add(source, "if size > 127 then size, at = read_number(s, at - 1) end");
    add(source, 'last = at + size - 1 if last > stop then return nil, "$1" end', name);
}

/** Sets `value` to a varint at `at`. */
function add_varint(source: LuaSource, field: NamedField): void {
    const scalar = field.type.scalar;
    if (scalar === undefined) {
        add(source, "value, at = read_number(s, at) value = _$1_names[value]", field.name);
        add(source, 'if value == nil then return nil, "$1" end value = value or nil', field.name);
    } else {
        add(source, "value, at = $1(s, at)", READERS[scalar as "int64"]);
    }
}

/** Names of an enum by number; false for zero. */
function enum_names(field: NamedField): LuaMap<number, string | false> {
    const names = new LuaMap<number, string | false>();
    for (const [name, n] of pairs(field.type.values!)) {
        names.set(n, n !== 0 ? name : false);
    }
    return names;
}

/** Lua literal of what a zero is in a list. */
function zero_of(field: NamedField): string {
    for (const [name, n] of pairs(field.type.values ?? {})) {
        if (n === 0) {
            return `"${name}"`;
        }
    }
    return ZEROS[field.type.scalar as "int64"];
}

function add_list(source: LuaSource, field: NamedField, tag: string): void {
    const name = field.name;
    if (lua_sources.wire_type_of(field.type) === 0) {
        const packed = varint.encode_number(field.type.number * 8 + 2);
        add(source, `if ${tag_test(packed)} then`);
        add_length(source, packed, name);
        add(source, "_$1 = _$1 or {}", name);
        add(source, "while at <= last do");
        add_varint(source, field);
        add(source, "_$1[#_$1 + 1] = value or $2 end", name, zero_of(field));
        add(source, 'if at ~= last + 1 then return nil, "$1" end', name);
        add(source, "tag = at <= stop and byte(s, at) end");
        add(source, `while ${tag_test(tag)} do at = at + ${format("%d", tag.length)}`);
        add_varint(source, field);
        add(source, "_$1 = _$1 or {} _$1[#_$1 + 1] = value or $2", name, zero_of(field));
    } else {
        add(source, `if ${tag_test(tag)} then`);
        add(source, "local n = 0 if _$1 then n = #_$1 else _$1 = {} end", name);
        add(source, `while ${tag_test(tag)} do`);
        add_length(source, tag, name);
        if (field.type.message !== undefined) {
            add(source, "value, bad = _$1_type.decode(s, at, last, depth + 1)", name);
            add(source, 'if not value then return nil, bad or "$1" end', name);
        } else {
            add(source, "value = sub(s, at, last)");
        }
        add(source, "n = n + 1 _$1[n] = value at = last + 1 tag = at <= stop and byte(s, at) end", name);
        add(source, "end");
        return;
    }
    add(source, "tag = at <= stop and byte(s, at) end");
}

function add_single(source: LuaSource, field: NamedField, tag: string): void {
    const name = field.name;
    add(source, `if ${tag_test(tag)} then`);
    if (lua_sources.wire_type_of(field.type) === 0) {
        add(source, `at = at + ${format("%d", tag.length)}`);
        add_varint(source, field);
        add(source, "_$1 = value", name);
    } else {
        add_length(source, tag, name);
        if (field.type.message !== undefined) {
            add(source, "value, bad = _$1_type.decode(s, at, last, depth + 1, _$1)", name);
            add(source, 'if not value then return nil, bad or "$1" end _$1 = value at = last + 1', name);
        } else {
            add(source, "_$1 = size > 0 and sub(s, at, last) or nil at = last + 1", name);
        }
    }
    add(source, "tag = at <= stop and byte(s, at) end");
}

/** Makes the decoder of a message type. */
function make(message: MessageType, codec_of: CodecOf): Decode {
    const fields = lua_sources.sorted_fields(message);
    const source = lua_sources.new();
    bind(source, "byte", byte);
    bind(source, "sub", string.sub);
    bind(source, "read_number", varint.read_number);
    bind(source, "read_int64", varint.read_int64);
    bind(source, "read_uint64", varint.read_uint64);
    bind(source, "read_bool", varint.read_bool);
    bind(source, "skip_field", varint.skip_field);
    bind(source, "this_type", codec_of(message));
    const locals: string[] = [];
    const members: string[] = [];
    const entries: string[] = [];
    for (const field of fields) {
        locals.push(`_${field.name}`);
        members.push(`into.${field.name}`);
        entries.push(`${field.name} = _${field.name}`);
        if (field.type.message !== undefined) {
            bind(source, `_${field.name}_type`, codec_of(field.type.message));
        } else if (field.type.values !== undefined) {
            bind(source, `_${field.name}_names`, enum_names(field));
        }
    }
    const names = concat(locals, ", ");
    add(source, "return function(s, at, stop, depth, into)");
    add(source, `if depth > ${format("%d", lua_sources.MAX_DEPTH)} then return nil end`);
    add(source, "local from, tag, size, last, value, bad = at, at <= stop and byte(s, at)");
    if (fields.length > 0) {
        add(source, `local ${names}`);
        add(source, `if into then ${names} = ${concat(members, ", ")} end`);
    }
    for (const field of fields) {
        const tag = varint.encode_number(field.type.number * 8 + lua_sources.wire_type_of(field.type));
        if (field.type.repeated === true) {
            add_list(source, field, tag);
        } else {
            add_single(source, field, tag);
        }
    }
    if (fields.length > 0) {
        add(source, `if into then ${concat(members, ", ")} = ${names}`);
        add(source, `else into = { ${concat(entries, ", ")} } end`);
    } else {
        add(source, "into = into or {}");
    }
    add(source, "if at <= stop then");
    add(source, "if at == from then at = skip_field(s, at) end");
    add(source, "return this_type.decode(s, at, stop, depth, into) end");
    add(source, "if at ~= stop + 1 then return nil end");
    add(source, "return into end");
    return lua_sources.compile<Decode>(source, "protobuf decoder");
}

export { make };
