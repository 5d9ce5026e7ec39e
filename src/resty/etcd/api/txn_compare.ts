import type { ClientState } from "../call/client_state";
import * as warn_once from "../base/warn_once";
import * as enums from "../protocol/enums";
import type { Message } from "../protocol/message";
import * as schema from "../protocol/schema";
import * as json from "../serializers/json";
import * as serializers from "../serializers/serializer";

/** The value field of each target. */
const VALUE_FIELDS: Readonly<Record<string, string>> = {
    VERSION: "version",
    CREATE: "create_revision",
    MOD: "mod_revision",
    VALUE: "value",
    LEASE: "lease",
};

/**
 * Checks that the value field of a comparison belongs to its target. etcd compares with 0 if it does not, which holds for a
 * key that does not exist.
 * @param target name of the target; nil if the comparison has none, which means VERSION
 */
function check_value_field(message: Message, target: string | undefined): Problem {
    const expected = VALUE_FIELDS[target ?? "VERSION"]!;
    for (const [_, field] of pairs(VALUE_FIELDS)) {
        if (field !== expected && message.has(field)) {
            return target !== undefined
                ? `compare: target ${target} takes ${expected}, not ${field}`
                : `compare: ${field} needs a target; the default is VERSION`;
        }
    }
    if (message.get(expected) === undefined) {
        warn_once.warn("txn", `a comparison without ${expected}: etcd compares with 0 or an empty value`);
    }
    return undefined;
}

/** Reports whether a value has a table with two or more string keys, at any depth. */
function has_unordered_fields(value: unknown): boolean {
    if (typeof value !== "object") {
        return false;
    }
    let names = 0;
    for (const [name, inner] of pairs(value as Record<string, unknown>)) {
        names = names + (typeof name === "string" ? 1 : 0);
        if (names > 1 || has_unordered_fields(inner)) {
            return true;
        }
    }
    return false;
}

/** Checks a comparison, and serializes its value in place. Returns an error text, or nil. */
function prepare(cli: ClientState, message: Message): Problem {
    const target = message.get("target");
    let name: string | undefined;
    if (target !== undefined) {
        name = enums.name_of(schema.compare_target, target);
        if (name === undefined) {
            return `target has no such value: ${tostring(target)}`;
        }
    }
    const problem = check_value_field(message, name);
    const value = message.get("value");
    if (problem !== undefined || value === undefined) {
        return problem;
    }
    const [bytes, err] = serializers.serialize(cli.serializer, value);
    if (bytes === undefined) {
        return err;
    }
    if (cli.serializer === json && has_unordered_fields(value)) {
        warn_once.warn(
            "txn",
            "a comparison with a table of several fields: JSON has no order of fields, so equal tables can differ; " +
                "compare mod_revision instead",
        );
    }
    message.set("value", bytes);
    return undefined;
}

export { prepare };
