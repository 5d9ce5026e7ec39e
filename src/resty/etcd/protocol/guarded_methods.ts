import * as errors from "./errors";

/** A method with any of the arguments that the methods of this driver have. */
type Method = (
    this: void,
    object: unknown,
    a: unknown,
    b: unknown,
    c: unknown,
    d: unknown,
) => LuaMultiReturn<unknown[]>;

/** Returns a method that returns an error if its first argument is not its object. */
function guarded(method: Method, field: string, problem: string): Method {
    return (object, a, b, c, d) => {
        if (typeof object !== "object" || (object as Record<string, unknown>)[field] === undefined) {
            return errors.bad_request(problem);
        }
        return method(object, a, b, c, d);
    };
}

/**
 * Returns methods that return an error if they are called with a dot instead of a colon, as in `cli.get("key")`, so that
 * the first argument of the program is taken for the object.
 * @param field a field that each object has
 */
function create<Methods extends object>(methods: Methods, field: string): Methods {
    const all: Record<string, Method> = {};
    for (const [name, method] of pairs(methods as unknown as Record<string, Method>)) {
        all[name] = guarded(method, field, `${name} must be called with a colon, as a method`);
    }
    return all as unknown as Methods;
}

export { create as new };
