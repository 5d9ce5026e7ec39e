/** What is wrong with a client that was given; nil if nothing is. */
function check_client(cli: unknown): string | undefined {
    return typeof cli === "object" ? undefined : "cli must be table";
}

/**
 * What is wrong with options, none of which is needed; nil if nothing is.
 * @param kinds the type of each
 */
function check_kinds(opts: unknown, kinds: Record<string, string>): string | undefined {
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

export { check_client, check_kinds };
