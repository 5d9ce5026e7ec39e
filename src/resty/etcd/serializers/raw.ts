/** Values are strings, stored as they are. */
function serialize(value: unknown): Result<string> {
    if (typeof value !== "string") {
        return $multi(undefined, `unsupported type for ${type(value)}`);
    }
    return $multi(value);
}

/** The stored bytes. */
function deserialize(value: unknown): Result<string> {
    return serialize(value);
}

export { deserialize, serialize };
