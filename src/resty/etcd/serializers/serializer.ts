import * as json from "./json";
import * as json_exact from "./json_exact";
import * as raw from "./raw";

/** Converts values to bytes for etcd and back. */
interface Serializer {
    /** Returns nil and an error if it cannot convert the value. */
    serialize: (this: void, value: unknown) => LuaMultiReturn<[string | undefined, unknown?]>;
    /** Returns nil if the bytes are invalid. */
    deserialize: (this: void, bytes: string) => LuaMultiReturn<[unknown, unknown?]>;
}

/** The option `serializer`. */
type Choice = "json" | "json_exact" | "raw" | Serializer;

/** Checks the option where unknown names are errors. Returns an error text, or nil if it is valid. */
function check(this: void, choice: unknown): Problem {
    if (choice === "json" || choice === "json_exact" || choice === "raw") {
        return undefined;
    }
    if (typeof choice === "object") {
        const custom = choice as Partial<Serializer>;
        if (typeof custom.serialize === "function" && typeof custom.deserialize === "function") {
            return undefined;
        }
    }
    return 'opts.serializer must be "json", "json_exact", "raw", or a table with serialize and deserialize';
}

/** Wraps a serializer of the user: an error that it throws is returned like one that it returns. */
function guarded(serializer: Serializer): Serializer {
    return {
        serialize: value => {
            const [ok, bytes, err] = protected_call(serializer.serialize, value);
            if (!ok) {
                return $multi(undefined, bytes);
            }
            return $multi(bytes as string | undefined, err);
        },
        deserialize: bytes => {
            const [ok, value] = protected_call(serializer.deserialize, bytes);
            if (!ok) {
                return $multi(undefined);
            }
            return $multi(value);
        },
    };
}

/** Returns the serializer for the option `serializer`: its name, or a table of the user. All other values select JSON. */
function select_serializer(choice: unknown): Serializer {
    if (choice === "raw") {
        return raw;
    }
    if (choice === "json_exact") {
        return json_exact;
    }
    if (typeof choice === "object") {
        return guarded(choice as Serializer);
    }
    return json;
}

/** Returns the choice for documents that are written back: `json_exact` instead of the default. */
function exact_choice(serializer: Serializer): Choice {
    return serializer === json ? "json_exact" : serializer;
}

/** Returns the bytes of a value, or nil and an error text. */
function serialize(serializer: Serializer, value: unknown): Result<string> {
    const [bytes, err] = serializer.serialize(value);
    if (typeof bytes !== "string") {
        return $multi(undefined, err !== undefined ? tostring(err) : "the serializer returned no string");
    }
    return $multi(bytes);
}

export { check, exact_choice, select_serializer, serialize, type Choice, type Serializer };
