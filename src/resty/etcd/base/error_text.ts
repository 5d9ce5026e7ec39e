/**
 * Returns the text of an error value that a user's function returned or threw, of whatever type.
 * @param fallback returned for nil, and for values whose `__tostring` throws or returns no string
 */
function of(err: unknown, fallback: string): string {
    if (err === undefined) {
        return fallback;
    }
    const [ok, text] = protected_call(tostring, err);
    return ok && typeof text === "string" ? text : fallback;
}

export { of };
