import * as nearest_name from "./nearest_name";
import * as warn_once from "./warn_once";

/** What to write instead of a name that other clients use; second the option that it is about, if there is one. */
type Habit = readonly [advice: string, option?: string];

/** The options of a function that accepts other fields too, as lua-resty-etcd 1.10 does. */
interface KnownOptions {
    /** The function, for log lines. */
    readonly subject: string;
    readonly names: LuaSet<string>;
    /** The same names, for the search of the nearest one. */
    readonly list: readonly string[];
    readonly habits: Readonly<Record<string, Habit>>;
}

/** @param more further names, which several functions share */
function create(
    subject: string,
    habits: Readonly<Record<string, Habit>>,
    own: readonly string[],
    more: readonly string[] = [],
): KnownOptions {
    const names = new LuaSet<string>();
    const list: string[] = [];
    for (const some of [own, more]) {
        for (const name of some) {
            names.add(name);
            list.push(name);
        }
    }
    return { subject, names, list, habits };
}

function warn_about(opts: Record<string, unknown>, name: string, known: KnownOptions): void {
    const habit = known.habits[name];
    if (habit !== undefined) {
        const option = habit[1];
        if (option === undefined || opts[option] === undefined) {
            warn_once.warn(known.subject, `option ${name} is ignored: ${habit[0]}`);
        }
        return;
    }
    const nearest = nearest_name.nearest(name, known.list);
    if (nearest !== undefined) {
        warn_once.warn(known.subject, `option ${name} is ignored: did you mean ${nearest}?`);
    }
}

/**
 * Logs each field that is no option but resembles one, once per worker. Other fields are ignored without a line: programs
 * pass their whole configuration.
 * @param accepted fields of a known program's configuration, which are never logged
 */
function warn_if_similar(opts: object, known: KnownOptions, accepted?: LuaSet<string>): void {
    for (const [name] of pairs(opts as Record<string, unknown>)) {
        const is_accepted = known.names.has(name) || accepted?.has(name) === true;
        if (typeof name === "string" && !is_accepted) {
            warn_about(opts as Record<string, unknown>, name, known);
        }
    }
}

export { create as new, warn_if_similar, type Habit, type KnownOptions };
