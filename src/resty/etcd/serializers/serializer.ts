import * as json from "./json";
import * as raw from "./raw";

/** Turns values into what etcd stores and back. */
interface Serializer {
    /** `nil, err` for a value it cannot store. */
    serialize: (this: void, value: unknown) => LuaMultiReturn<[string | undefined, unknown?]>;
    /** nil for bytes that are no value. */
    deserialize: (this: void, bytes: string) => LuaMultiReturn<[unknown, unknown?]>;
}

/** A user's own serializer; where it throws, the value counts as one it cannot handle. */
function guarded(own: Serializer): Serializer {
    return {
        serialize: value => {
            const [ok, bytes, err] = protected_call(own.serialize, value);
            if (!ok) {
                return $multi(undefined, bytes);
            }
            return $multi(bytes as string | undefined, err);
        },
        deserialize: bytes => {
            const [ok, value] = protected_call(own.deserialize, bytes);
            if (!ok) {
                return $multi(undefined);
            }
            return $multi(value);
        },
    };
}

/** The serializer of a name, or a user's own; anything else means JSON. */
function select_serializer(choice: unknown): Serializer {
    if (choice === "raw") {
        return raw;
    }
    if (typeof choice === "object") {
        return guarded(choice as Serializer);
    }
    return json;
}

/** The bytes of a value, or nil and an error text. */
function serialize(serializer: Serializer, value: unknown): Result<string> {
    const [bytes, err] = serializer.serialize(value);
    if (typeof bytes !== "string") {
        return $multi(undefined, err !== undefined ? tostring(err) : "the serializer gave no string");
    }
    return $multi(bytes);
}

export { select_serializer, serialize, type Serializer };
