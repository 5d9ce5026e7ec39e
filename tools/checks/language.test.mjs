// Phrases that are never right in comments, documentation, texts and names of specs: metaphors, words that leave the
// reader guessing, British spelling, and "may". Words that also have a plain technical use are not listed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

const root = path.resolve(import.meta.dirname, "../..");

const CHECKED = [
    ".ci",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
    "bench",
    "docs",
    "examples",
    "fault",
    "spec",
    "src",
    "t",
    "tools",
    "types",
];

/** Phrases that are never right, and what to write instead. In a pattern a space also stands for a line break. */
const PHRASES = [
    [/\bmay\b|\bMay\b(?! \d)/, "can (ability), must (obligation), or if"],
    [/\banew\b/, "again"],
    [/\bat once\b/i, "immediately, in one call, concurrently"],
    [/\bby (it|them)sel(f|ves)\b/, "say what starts it, or leave it out"],
    [/\bof (its|their|his|one's) own\b/, "own, private, separate"],
    [/\bwhoever\b/i, "name it: the call, the light thread, the worker"],
    [/\b(no|some|every)body\b/i, "name it: no call, no client, no worker"],
    [/\bso (many|often)\b/i, "state the quantity and its unit"],
    [/\bin the place of\b/, "instead of"],
    [/\b(is|are|was|were) no more\b(?! than)/, "no longer exists, has ended"],
    [/\bcomes? to (its|an|their) end\b/, "ends"],
    [/\bgives? up the ghost\b/, "ends"],
    [/\bsigns? of life\b/, "heartbeat"],
    [/\btroubles?\b/i, "error, failure, cause"],
    [/\bwhat (is|was|may be) the matter\b/, "the cause"],
    [/\bthe truth (of|now)\b/, "a linearizable read"],
    [/\bpolitely\b/, "leave it out"],
    [/\bas far as is known\b/, "known, or the last known"],
    [/\bhow far \w+ (has|had) come\b/, "the current revision"],
    [/\bheard of\b/, "received a response from"],
    [/\bconfiguration cent(re|er)\b/i, "configuration store"],
    [/\bstand-ins?\b/i, "replacement"],
    [/\b(it|that|what|which|they|this|URL|reply|watch) (is|are|was|were) none\b/, "invalid, absent"],
    [
        /\b(watch|watches|stream|streams|connection|session)( does not| do not)? (stands?|stood)\b/,
        "is established, was created",
    ],
    [/\bhangs? on a lease\b/, "is attached to a lease"],
    [/\b(in|had|have|has|by) (its|their|each in its) turns?\b/, "the order, or yields"],
    [/\blets? others (run|go)\b/, "yields"],
    [/\bbreath(e|es|ing)\b/, "yield"],
    [/\b(in )?one go\b/, "in one step, attempt"],
    [/\blook(s|ed|ing)? (around|after)\b/, "polls, monitors"],
    [/\bput aside\b/, "buffered"],
    [/\bleft alone\b/, "ejected, banned"],
    [/\bspared\b/, "say what is saved"],
    [/\brush(es|ed)? (up)?on\b/, "say what is limited"],
    [/\bworth ?while\b/, "can succeed"],
    [/\bwith hope\b/, "can succeed"],
    [/\bin vain\b/, "without success"],
    [/\b(comes?|came) upon\b/, "finds, meets"],
    [/\b(has|have|had) to go\b/, "must exit, must be removed"],
    [/\b(worker|timer|watch|stream|it) is to end\b/, "is exiting, must end"],
    [/\betcd (is|was|being) away\b/, "etcd is unreachable"],
    [/\bbeside\b/, "next to, concurrently with"],
    [/\buntold\b/, "pending"],
    [/\brefusals?\b/, "error response, rejection"],
    [/\bseam\b/, "interface"],
    [/\bdrop-in shell\b/, "compatibility API"],
    [/\bmend(s|ed)?\b/i, "fix"],
    [/\blest\b/, "so that ... does not"],
    [/\b(till|whence|thence|thereof|wherein)\b/, "modern English"],
    [/\b\w*(behaviou?rs?|honou?r|colou?r|favou?r|neighbou?r)\w*\b/i, "American spelling", /our/i],
    [/\b(serialis|initialis|recognis|optimis|normalis|synchronis|organis|minimis|maximis|summaris|utilis)\w*/i, "-ize"],
    [/\b(cancell(ed|ing)|centres?|whilst|licence)\b/i, "American spelling"],
];

/** Texts of others that contain a phrase: they stay as they are. */
const EXEMPT = ["Cannot serialise"]; // cjson

const files = execFileSync("git", ["ls-files", "--", ...CHECKED], { cwd: root, encoding: "utf8" })
    .split("\n")
    .filter(file => file && !file.startsWith("tools/checks/language") && !/\.(png|crt|pem|key)$/.test(file));

/** Returns the text with its lines joined and without the marks that begin the lines of a comment, and the offset of each line. */
function joined(text) {
    const offsets = [];
    let all = "";
    for (const line of text.split("\n")) {
        offsets.push(all.length);
        all += `${line.replace(/^\s*(\/\/|\/?\*+\/?|-{2,}|#+|>)?\s*/, "")} `;
    }
    return { all, offsets };
}

/** Returns each phrase in a text with its line. */
function violations(text) {
    const { all, offsets } = joined(text);
    const masked = EXEMPT.reduce((rest, exempt) => rest.replaceAll(exempt, match => "_".repeat(match.length)), all);
    return PHRASES.flatMap(([pattern, instead, only]) =>
        [...masked.matchAll(new RegExp(pattern.source, `${pattern.flags}g`))]
            .filter(match => !only || only.test(match[0]))
            .map(match => ({
                line: offsets.findLastIndex(offset => offset <= match.index) + 1,
                phrase: match[0],
                instead,
            })),
    );
}

test("finds a phrase across the lines of a comment, and no part of a name", () => {
    const found = text => violations(text).map(({ line, phrase }) => `${line}: ${phrase}`);
    assert.deepEqual(found("-- goes\n-- at\n-- once"), ["2: at once"]);
    assert.deepEqual(found(" * whoever\n * may wait"), ["2: may", "1: whoever"]);
    assert.deepEqual(found("maybe_applied, may_wait, no more than 3, behavior, centered"), []);
    assert.deepEqual(found("the Behaviour"), ["1: Behaviour"]);
});

/** Returns what is wrong with a file, one line for each phrase. */
const report = file =>
    violations(fs.readFileSync(path.join(root, file), "utf8")).map(
        ({ line, phrase, instead }) => `${file}:${line}: "${phrase}": ${instead}`,
    );

test("no phrase that is never right", () => {
    const found = files.flatMap(report);
    assert.ok(found.length === 0, `\n${found.join("\n")}`);
});
