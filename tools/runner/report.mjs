// The report of a test run: a line per file, and a summary that repeats every failure.

const SLOWEST = 10;
/** Lines of a failure in the summary; all of them are in the log. */
const MAX_LINES = 120;

const results = [];
const errors = [];
const skipped = [];

const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

function countsOf({ passed, failed, pending }) {
    return `${passed} passed, ${failed} failed${pending > 0 ? `, ${pending} pending` : ""}`;
}

const title = job => `${job.leg}: ${job.file}${job.alone ? " (alone)" : ""}`;

export function addSkipped(text) {
    skipped.push(text);
    console.log(`SKIPPED: ${text}`);
}

/** Records a failure of the run itself. */
export function addError(text) {
    errors.push(text);
    console.log(`FAILED: ${text}`);
}

export function addResult(result) {
    results.push(result);
    const word = result.failed > 0 ? "FAILED" : "ok";
    console.log(`${word} ${title(result.job)}: ${countsOf(result)} in ${result.seconds.toFixed(1)} s`);
    if (result.failed > 0) {
        printFailures(result);
    }
}

function printFailures(result) {
    const lines = result.failures.join("\n").split("\n");
    for (const line of lines.slice(0, MAX_LINES)) {
        console.log(`    ${line}`);
    }
    if (lines.length > MAX_LINES) {
        console.log(`    ... ${plural(lines.length - MAX_LINES, "line")} more`);
    }
    if (result.log !== undefined) {
        console.log(`    output: ${result.log}`);
    }
}

function group(key) {
    const groups = new Map();
    for (const result of results) {
        const sum = groups.get(key(result.job)) ?? { job: result.job, passed: 0, failed: 0, pending: 0, seconds: 0 };
        for (const name of ["passed", "failed", "pending", "seconds"]) {
            sum[name] += result[name];
        }
        groups.set(key(result.job), sum);
    }
    return groups;
}

/** A file that ran no test is a failure: its tests cannot have passed. */
function failEmptyFiles() {
    for (const sum of group(job => `${job.leg}: ${job.file}`).values()) {
        if (sum.passed + sum.failed + sum.pending === 0) {
            addResult({ job: sum.job, passed: 0, failed: 1, pending: 0, failures: ["no test ran"], seconds: 0 });
        }
    }
}

function failPending() {
    for (const result of results) {
        if (result.pending > 0) {
            result.failed += result.pending;
            result.failures.push(`${plural(result.pending, "pending test")}, and RESTY_NO_PENDING is 1`);
        }
    }
}

/**
 * Prints the summary.
 * @param notes lines about the run itself
 * @returns {passed, failed, results}
 */
export function summarize(notes) {
    failEmptyFiles();
    if (process.env.RESTY_NO_PENDING === "1") {
        failPending();
    }
    console.log(`\nSlowest files`);
    for (const { job, seconds } of [...results].sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST)) {
        console.log(`${seconds.toFixed(1).padStart(7)} s  ${title(job)}`);
    }
    console.log("\nLegs");
    const total = { passed: 0, failed: errors.length, results };
    for (const [leg, sum] of group(job => job.leg)) {
        console.log(`${sum.seconds.toFixed(1).padStart(7)} s  ${leg}: ${countsOf(sum)}`);
        total.passed += sum.passed;
        total.failed += sum.failed;
    }
    if (total.failed > 0) {
        console.log("\nFailures");
        for (const text of errors) {
            console.log(`* ${text}`);
        }
        for (const result of results.filter(one => one.failed > 0)) {
            console.log(`* ${title(result.job)}: ${countsOf(result)}`);
            printFailures(result);
        }
    }
    console.log("");
    for (const text of skipped) {
        console.log(`SKIPPED: ${text}`);
    }
    for (const note of notes) {
        console.log(note);
    }
    console.log(`${total.passed} passed, ${total.failed} failed`);
    return total;
}
