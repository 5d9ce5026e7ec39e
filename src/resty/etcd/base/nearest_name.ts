const abs = math.abs;
const byte = string.byte;
const floor = math.floor;
const max = math.max;
const min = math.min;

/** Returns the Levenshtein distance: how many characters must be inserted, deleted or replaced to turn `a` into `b`. */
function edit_distance(a: string, b: string): number {
    let previous: number[] = [];
    for (const j of $range(0, b.length)) {
        previous.push(j);
    }
    for (const i of $range(1, a.length)) {
        const row = [i];
        for (const j of $range(1, b.length)) {
            const replaced = previous[j - 1]! + (byte(a, i) === byte(b, j) ? 0 : 1);
            row.push(min(previous[j]! + 1, row[j - 1]! + 1, replaced));
        }
        previous = row;
    }
    return previous[b.length]!;
}

/** Returns the known name that a misspelled name is nearest to, or nil if all differ in more than a third of its characters. */
function nearest(name: string, known: readonly string[]): string | undefined {
    let best: string | undefined;
    let limit = max(1, floor(name.length / 3));
    for (const candidate of known) {
        if (abs(candidate.length - name.length) <= limit) {
            const distance = edit_distance(name, candidate);
            if (distance <= limit) {
                best = candidate;
                limit = distance - 1;
            }
        }
    }
    return best;
}

export { nearest };
