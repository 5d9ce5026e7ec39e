// Computes an upper bound of the time that a Lua pattern needs for a text of n bytes, as the exponent of n: 1 is linear.
//
// Lua's matcher tries all lengths of a repetition, longest first (- shortest first), and the rest of the pattern after each
// of them. That is linear if the rest fails at the first byte for all lengths but one, because its first byte is not in the
// class of the repetition, or if the rest cannot fail. A pattern without ^ is tried from every position: that is linear if
// a failure takes no longer than a bounded number of steps, or if its first byte is in no repetition, so that the texts
// that two attempts look at do not overlap.

const CLASSES = {
    a: code => /[A-Za-z]/.test(String.fromCharCode(code)),
    c: code => code < 32 || code === 127,
    d: code => code >= 48 && code <= 57,
    l: code => code >= 97 && code <= 122,
    p: code => code > 32 && code < 127 && !/[A-Za-z0-9]/.test(String.fromCharCode(code)),
    s: code => code === 32 || (code >= 9 && code <= 13),
    u: code => code >= 65 && code <= 90,
    w: code => code < 128 && /[A-Za-z0-9]/.test(String.fromCharCode(code)),
    x: code => code < 128 && /[A-Fa-f0-9]/.test(String.fromCharCode(code)),
    z: code => code === 0,
};

const ALL = new Set(Array.from({ length: 256 }, (_, code) => code));
const filter = test => new Set([...ALL].filter(test));
const union = (a, b) => new Set([...a, ...b]);
const is_disjoint = (a, b) => [...a].every(code => !b.has(code));

function class_of(letter) {
    const test = CLASSES[letter.toLowerCase()];
    if (!test) {
        return new Set([letter.charCodeAt(0) & 0xff]);
    }
    return filter(letter === letter.toLowerCase() ? test : code => !test(code));
}

/** Parses the set at `at`, after `[`. Returns the set and the position after `]`. */
function parse_set(pattern, at) {
    const is_negated = pattern[at] === "^";
    let i = is_negated ? at + 1 : at;
    let codes = new Set();
    const first = i;
    while (pattern[i] !== "]" || i === first) {
        if (i >= pattern.length) {
            throw new Error("unterminated set");
        }
        if (pattern[i] === "%") {
            codes = union(codes, class_of(pattern[i + 1]));
            i += 2;
        } else if (pattern[i + 1] === "-" && i + 2 < pattern.length && pattern[i + 2] !== "]") {
            const [low, high] = [pattern.charCodeAt(i), pattern.charCodeAt(i + 2)];
            codes = union(
                codes,
                filter(code => code >= low && code <= high),
            );
            i += 3;
        } else {
            codes.add(pattern.charCodeAt(i) & 0xff);
            i += 1;
        }
    }
    return [is_negated ? filter(code => !codes.has(code)) : codes, i + 1];
}

/** Returns the parts of a pattern, without captures: `{ set, repeat }`, or `{ is_end }` for a `$` at the end. */
function parse(pattern) {
    const is_anchored = pattern.startsWith("^");
    const items = [];
    let i = is_anchored ? 1 : 0;
    while (i < pattern.length) {
        let set;
        if (pattern[i] === "(" || pattern[i] === ")") {
            i += 1;
            continue;
        } else if (pattern[i] === "$" && i === pattern.length - 1) {
            items.push({ is_end: true });
            break;
        } else if (pattern[i] === "%" && pattern[i + 1] === "f") {
            i = parse_set(pattern, i + 3)[1]; // a condition without width
            items.push({ is_condition: true });
            continue;
        } else if (pattern[i] === "%" && /[b1-9]/.test(pattern[i + 1])) {
            throw new Error(`%${pattern[i + 1]} is not linear`);
        } else if (pattern[i] === "%") {
            set = class_of(pattern[i + 1]);
            i += 2;
        } else if (pattern[i] === "[") {
            [set, i] = parse_set(pattern, i + 1);
        } else {
            set = pattern[i] === "." ? ALL : new Set([pattern.charCodeAt(i) & 0xff]);
            i += 1;
        }
        const has_suffix = /[*+?-]/.test(pattern[i] ?? "");
        items.push({ set, repeat: has_suffix ? pattern[i] : "" });
        i += has_suffix ? 1 : 0;
    }
    return { is_anchored, items };
}

const is_unbounded = item => item.repeat !== undefined && /[*+-]/.test(item.repeat);

/** Reports whether the parts from `i` on match any text. */
function always_matches(items, i) {
    const item = items[i];
    if (item === undefined) {
        return true;
    }
    if (item.is_end || item.is_condition) {
        return false;
    }
    const takes_all = (item.repeat === "*" || item.repeat === "-") && item.set.size === 256;
    if (takes_all && items[i + 1]?.is_end) {
        return true;
    }
    return item.repeat !== "" && item.repeat !== "+" && always_matches(items, i + 1);
}

/** Returns the bytes with which the parts from `i` on can begin. At others they fail, or match nothing, immediately. */
function first_bytes(items, i) {
    const item = items[i];
    if (item === undefined || item.is_end) {
        return new Set();
    }
    if (item.is_condition) {
        return first_bytes(items, i + 1);
    }
    const optional = item.repeat !== "" && item.repeat !== "+";
    return optional ? union(item.set, first_bytes(items, i + 1)) : item.set;
}

/** Exponent of the time of an attempt that fails; -1 if the parts from `i` on cannot fail. */
function failing(items, i) {
    if (always_matches(items, i)) {
        return -1;
    }
    const item = items[i];
    if (item === undefined || item.is_end) {
        return 0;
    }
    const rest = failing(items, i + 1);
    if (!is_unbounded(item)) {
        return Math.max(0, rest);
    }
    if (rest === -1) {
        return 0; // a + without its first byte
    }
    return Math.max(1, is_disjoint(item.set, first_bytes(items, i + 1)) ? rest : rest + 1);
}

/** Exponent of the time of an attempt that matches. */
function matching(items, i) {
    const item = items[i];
    if (item === undefined || item.is_end) {
        return 0;
    }
    const rest = matching(items, i + 1);
    if (!is_unbounded(item)) {
        return Math.max(rest, failing(items, i + 1), 0);
    }
    const tries = failing(items, i + 1);
    if (tries === -1) {
        return Math.max(1, rest);
    }
    return Math.max(1, rest, is_disjoint(item.set, first_bytes(items, i + 1)) ? tries : tries + 1);
}

/**
 * Returns the exponent of n of the time that a pattern needs in the worst case for n bytes.
 * @param pattern the pattern after the escapes of the string literal
 */
function exponent_of(pattern) {
    const { is_anchored, items } = parse(pattern);
    const once = Math.max(failing(items, 0), matching(items, 0), 0);
    if (is_anchored || failing(items, 0) <= 0) {
        return Math.max(1, once);
    }
    const first = items[0];
    const separates = first.repeat === "" && items.filter(is_unbounded).every(item => is_disjoint(first.set, item.set));
    return separates ? Math.max(1, once) : once + 1;
}

export { exponent_of };
