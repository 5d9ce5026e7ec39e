import * as nearest_name from "./nearest_name";

const concat = table.concat;
const floor = math.floor;

/** Greatest 32-bit integer. nginx rejects or truncates greater counts and times. */
const MAX_INTEGER = 2147483647;

/** Rules for one option. */
interface OptionRule {
    readonly name: string;
    /** Lua type; "integer" is a whole number of at most 32 bits. NaN is neither a number nor an integer here. */
    readonly type?: "boolean" | "function" | "integer" | "number" | "string" | "table";
    /** Least number. */
    readonly min?: number;
    /** Greatest number. */
    readonly max?: number;
    /** Number that the value must exceed. */
    readonly above?: number;
    /** Strings that are accepted; default any. */
    readonly values?: readonly string[];
    /** The option must be set. */
    readonly required?: true;
    /** End of the error text `opts.<name> must be ...`; default the values or the type. */
    readonly expected?: string;
    /** Checks what the fields above cannot express; called after them, not for nil. Returns an error text or nil. */
    readonly check?: (this: void, value: unknown) => Problem;
}

/** Rules for a table of options. */
interface OptionTable {
    /** Name of the table in error texts; default "opts". */
    readonly subject?: string;
    /** In the order in which the options are checked. */
    readonly rules: readonly OptionRule[];
    /** Accepts fields without a rule, as lua-resty-etcd 1.10 does: programs pass it their whole configuration. */
    readonly ignores_unknown?: true;
}

function is_in(value: unknown, values: readonly unknown[]): boolean {
    for (const one of values) {
        if (value === one) {
            return true;
        }
    }
    return false;
}

function is_number(value: unknown, rule: OptionRule): boolean {
    return (
        typeof value === "number" &&
        value === value &&
        value >= (rule.min ?? value) &&
        value <= (rule.max ?? value) &&
        (rule.above === undefined || value > rule.above)
    );
}

function is_integer(value: unknown): boolean {
    return typeof value === "number" && floor(value) === value && value >= -MAX_INTEGER && value <= MAX_INTEGER;
}

/** Reports whether a value that is not nil has the type, range and values that a rule demands. */
function is_valid(value: unknown, rule: OptionRule): boolean {
    if (rule.values !== undefined) {
        return is_in(value, rule.values);
    }
    if (rule.type === "number") {
        return is_number(value, rule);
    }
    if (rule.type === "integer") {
        return is_integer(value) && is_number(value, rule);
    }
    return rule.type === undefined || type(value) === rule.type;
}

/** Returns what an option must be, for error texts: `"a", "b" or "c"`, or its type. */
function expectation(rule: OptionRule): string {
    if (rule.expected !== undefined || rule.values === undefined) {
        return rule.expected ?? rule.type ?? "set";
    }
    const quoted: string[] = [];
    for (const value of rule.values) {
        quoted.push(`"${value}"`);
    }
    const last = quoted.pop()!;
    return `${concat(quoted, ", ")} or ${last}`;
}

/** Returns the error text for an option that has no rule. */
function unknown_option(name: string, rules: readonly OptionRule[]): string {
    const known: string[] = [];
    for (const rule of rules) {
        known.push(rule.name);
    }
    const nearest = nearest_name.nearest(name, known);
    return nearest !== undefined ? `unknown option ${name}; did you mean ${nearest}?` : `unknown option ${name}`;
}

function has_rule(rules: readonly OptionRule[], name: unknown): boolean {
    for (const rule of rules) {
        if (rule.name === name) {
            return true;
        }
    }
    return false;
}

function has_required(rules: readonly OptionRule[]): boolean {
    for (const rule of rules) {
        if (rule.required === true) {
            return true;
        }
    }
    return false;
}

/** Checks one option. Returns an error text, or nil if the value is valid. */
function check_option(subject: string, value: unknown, rule: OptionRule): Problem {
    if (value === undefined && rule.required !== true) {
        return undefined;
    }
    if (value === undefined || !is_valid(value, rule)) {
        return `${subject}.${rule.name} must be ${expectation(rule)}`;
    }
    return rule.check?.(value);
}

/**
 * Checks a table of options; nil is valid unless one of them is `required`.
 * @returns an error text, or nil if the options are valid
 */
function check_options(opts: unknown, known: OptionTable): Problem {
    const subject = known.subject ?? "opts";
    const rules = known.rules;
    if (opts === undefined && !has_required(rules)) {
        return undefined;
    }
    if (typeof opts !== "object") {
        return `${subject} must be table`;
    }
    const given = opts as Record<string, unknown>;
    for (const rule of rules) {
        const problem = check_option(subject, given[rule.name], rule);
        if (problem !== undefined) {
            return problem;
        }
    }
    if (known.ignores_unknown !== true) {
        for (const [name] of pairs(given)) {
            if (!has_rule(rules, name)) {
                return unknown_option(tostring(name), rules);
            }
        }
    }
    return undefined;
}

/** Checks that the first argument of a constructor is a client. Returns an error text, or nil. */
function check_client(cli: unknown): Problem {
    if (typeof cli !== "object") {
        return "cli must be table";
    }
    return (cli as { transport?: unknown }).transport === undefined ? "cli must be a client" : undefined;
}

/** Checks a key prefix, which can be empty. Returns an error text, or nil if the prefix is valid. */
function check_key_prefix(prefix: unknown): Problem {
    return typeof prefix !== "string" ? "key must be string" : undefined;
}

/** Checks a key. Returns an error text, or nil if the key is valid. */
function check_key(key: unknown): Problem {
    return key === "" ? "key should not be empty" : check_key_prefix(key);
}

/** Checks the name of a shared dict. Returns an error text, or nil if nginx's configuration declares the dict. */
function check_shared_dict(name: unknown): Problem {
    const is_missing = typeof name !== "string" || ngx.shared[name] === undefined;
    return is_missing ? `failed to get ngx.shared dict: ${tostring(name)}` : undefined;
}

const METHOD_OPTIONS: OptionTable = {
    rules: [{ name: "timeout", type: "number", min: 0, expected: "number of seconds" }],
    ignores_unknown: true,
};

const TIMEOUT_OPTIONS: OptionTable = { rules: METHOD_OPTIONS.rules };

/** Checks a timeout that is an argument; nil is valid. Returns an error text, or nil. */
function check_timeout(timeout: unknown): Problem {
    const is_timeout = timeout === undefined || (typeof timeout === "number" && timeout === timeout);
    return is_timeout ? undefined : "timeout must be number of seconds";
}

/** Checks the options of methods that take only a timeout. Returns an error text, or nil if they are valid. */
function check_timeout_options(opts: unknown): Problem {
    return check_options(opts, TIMEOUT_OPTIONS);
}

/** Checks the options that all methods have in common. Returns an error text, or nil if they are valid. */
function check_method_options(opts: unknown): Problem {
    return check_options(opts, METHOD_OPTIONS);
}

export {
    check_client,
    check_key,
    check_key_prefix,
    check_method_options,
    check_options,
    check_shared_dict,
    check_timeout,
    check_timeout_options,
    type OptionRule,
    type OptionTable,
};
