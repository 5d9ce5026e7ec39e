/** What is wrong with a client that was given; nil if nothing is. */
function check_client(cli: unknown): Problem {
    return typeof cli === "object" ? undefined : "cli must be table";
}

/**
 * What is wrong with options, none of which is needed; nil if nothing is.
 * @param kinds the type of each
 */
function check_kinds(opts: unknown, kinds: Record<string, string>): Problem {
    if (opts === undefined) {
        return undefined;
    }
    if (typeof opts !== "object") {
        return "opts must be table";
    }
    for (const [name, value] of pairs(opts as Record<string, unknown>)) {
        const kind = kinds[tostring(name)];
        if (kind === undefined) {
            return `unknown option ${tostring(name)}`;
        }
        if (type(value) !== kind) {
            return `opts.${name} must be ${kind}`;
        }
    }
    return undefined;
}

/** What is wrong with a key that a caller gave; nil if nothing is. */
function check_key(key: unknown): Problem {
    if (typeof key !== "string") {
        return "key must be string";
    }
    return key === "" ? "key should not be empty" : undefined;
}

/** What is wrong with a method's options; nil if nothing is. */
function check_opts(opts: unknown): Problem {
    if (opts === undefined) {
        return undefined;
    }
    if (typeof opts !== "object") {
        return "opts must be table";
    }
    const timeout = (opts as { timeout?: unknown }).timeout;
    if (timeout !== undefined && (typeof timeout !== "number" || timeout < 0 || timeout !== timeout)) {
        return "opts.timeout must be number of seconds";
    }
    return undefined;
}

export { check_client, check_key, check_kinds, check_opts };
