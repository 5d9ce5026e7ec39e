// Tests that measure time run alone (`#alone` in their name, see tools/runner/plan.mjs), because tests that run concurrently
// would distort the measurement. This check finds those that lack the mark: in specs, upper bounds of less than two seconds
// for a measured time, and `most` of event_loop_probe.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

const folder = path.resolve(import.meta.dirname, "../../spec");
const ALONE = "#alone";
const MAX_BOUND = 2;

const MEASURED =
    /\bassert\b.*(?:now\(\) - [\w.]+|\b(?:took|time|seconds|elapsed|longest|longest start)\b\S*) <=? ([\d.]+)/;
const PROBE = /\.most\(/;

function isTimed(line) {
    const found = MEASURED.exec(line);
    return PROBE.test(line) || (found !== null && Number(found[1]) < MAX_BOUND);
}

const indentOf = line => /^\s*/.exec(line)[0].length;

/** The lines that open the blocks around a line, up to the outermost. */
function blocksAround(lines, index) {
    const blocks = [];
    let indent = indentOf(lines[index]);
    for (let i = index - 1; i >= 0 && indent > 0; i--) {
        if (lines[i].trim() !== "" && indentOf(lines[i]) < indent) {
            indent = indentOf(lines[i]);
            blocks.push(lines[i]);
        }
    }
    return blocks;
}

test(`tests that measure time have ${ALONE} in their name`, () => {
    const forgotten = [];
    for (const file of fs.readdirSync(folder, { recursive: true }).filter(name => /_spec\.(lua|ts)$/.test(name))) {
        const lines = fs.readFileSync(path.join(folder, file), "utf8").split("\n");
        lines.forEach((line, i) => {
            if (isTimed(line) && !blocksAround(lines, i).some(block => block.includes(ALONE))) {
                forgotten.push(`spec/${file}:${i + 1}: ${line.trim()}`);
            }
        });
    }
    assert.deepEqual(forgotten, []);
});
