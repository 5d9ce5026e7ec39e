import type { Enum } from "./schema";

/**
 * Returns the name of an enum value in any spelling that an etcd accepts: the name, in upper or lower case, its number, or
 * the digits of its number.
 * @returns nil if the enum has no such value
 */
function name_of(values: Enum, value: unknown): string | undefined {
    const wanted = typeof value === "string" ? (tonumber(value) ?? string.upper(value)) : value;
    for (const [name, number] of pairs(values)) {
        if (name === wanted || number === wanted) {
            return name;
        }
    }
    return undefined;
}

export { name_of };
