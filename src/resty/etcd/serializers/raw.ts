/** Returns a string unchanged. Other types are errors. */
function serialize(value: unknown): Result<string> {
    if (typeof value !== "string") {
        return $multi(undefined, `unsupported type for ${type(value)}`);
    }
    return $multi(value);
}

/** Returns the stored bytes unchanged. */
function deserialize(value: unknown): Result<string> {
    return serialize(value);
}

export { deserialize, serialize };
