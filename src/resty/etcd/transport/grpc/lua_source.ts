import type { FieldType, MessageType } from "../../protocol/schema";

const concat = table.concat;
const sort = table.sort;
const format = string.format;

/**
 * Messages within messages, beyond which a message is malformed: the 100 nested transactions that `txn` accepts, which are two
 * messages each, and their operations.
 */
const MAX_DEPTH = 210;

/** A field with its name. */
interface NamedField {
    readonly name: string;
    readonly type: FieldType;
}

/** Lua source in the making, with the values that it uses as upvalues. */
interface LuaSource {
    readonly lines: string[];
    readonly names: string[];
    readonly values: unknown[];
}

function create(): LuaSource {
    return { lines: [], names: [], values: [] };
}

/** Gives the source a value under a name. */
function bind(source: LuaSource, name: string, value: unknown): void {
    source.names.push(name);
    source.values.push(value);
}

/** Appends a line in which `$1`, `$2` and `$3` are replaced. */
function add(source: LuaSource, template: string, a?: string, b?: string, c?: string): void {
    const replacements = { ["1"]: a, ["2"]: b, ["3"]: c };
    const [line] = string.gsub(template, "%$(%d)", replacements as unknown as Record<string, string>);
    source.lines.push(line);
}

/** Compiles the source, which returns one function. */
function compile<F>(source: LuaSource, name: string): F {
    const names = concat(source.names, ", ");
    const text = `local ${names} = ...\n${concat(source.lines, "\n")}\n`;
    const [chunk] = loadstring(text, `=${name}`);
    const make = chunk as (this: void, ...values: unknown[]) => F;
    return make(...source.values);
}

/** Returns the fields of a message type in the order of their numbers, in which all implementations encode them. */
function sorted_fields(message: MessageType): NamedField[] {
    const fields: NamedField[] = [];
    for (const [name, field] of message) {
        fields.push({ name, type: field });
    }
    sort(fields, (a, b) => a.type.number < b.type.number);
    return fields;
}

/** Returns the wire type of single values of a field: 0 for a varint, 2 for bytes with a length. */
function wire_type_of(field: FieldType): 0 | 2 {
    const scalar = field.scalar;
    return field.message !== undefined || scalar === "bytes" || scalar === "string" ? 2 : 0;
}

/** Returns the Lua literal of a string of any bytes. */
function literal(bytes: string): string {
    const parts: string[] = [];
    for (const i of $range(1, bytes.length)) {
        parts.push(format("\\%03d", string.byte(bytes, i)));
    }
    return `"${concat(parts)}"`;
}

export {
    MAX_DEPTH,
    add,
    bind,
    compile,
    create as new,
    literal,
    sorted_fields,
    wire_type_of,
    type LuaSource,
    type NamedField,
};
