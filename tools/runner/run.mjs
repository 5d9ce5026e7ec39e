// Runs the tests, for tools/test: plans the jobs, runs them in lanes, those that measure time or CPU after all others
// and one at a time, and prints a summary. The last line is the sum: "N passed, N failed".

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { save, sortJobs } from "./durations.mjs";
import { runLanes } from "./lanes.mjs";
import { isOptional, plan } from "./plan.mjs";
import { run, stopOnSignals } from "./processes.mjs";
import { addError, addResult, addSkipped, summarize } from "./report.mjs";

const root = path.resolve(import.meta.dirname, "../..");
process.chdir(root);

/** The tests wait more than they compute. A lane takes 0.4 GB of memory, and 4 % of a core for its seven idle etcds. */
const LANES_PER_CORE = 3;
/** Test beds have ports for 20, and other programs run some, too. */
const MAX_LANES = 12;
const lanes = Number(process.env.TEST_LANES) || Math.min(MAX_LANES, LANES_PER_CORE * os.availableParallelism());
/** The longest file takes a minute on a quiet machine. */
const timeoutMs = Number(process.env.TEST_FILE_TIMEOUT || 300) * 1000;

/** A build of etcd takes two minutes of CPU, and downloads. */
const FETCH_TIMEOUT_MS = 20 * 60_000;

/** Puts an etcd into the cache; reports whether it is there. */
async function fetchEtcd(version) {
    const lines = [];
    const end = await run("tools/fetch-etcd", [version], {
        env: {},
        timeoutMs: FETCH_TIMEOUT_MS,
        onLine: line => lines.push(line),
    });
    if (end !== "") {
        const report = isOptional(version, process.env) ? addSkipped : addError;
        report([`etcd ${version}: tools/fetch-etcd ${end}`, ...lines].join("\n"));
    }
    return end === "";
}

/** CPU seconds of all processes that this one has waited for, and of the machine: {children, busy, all}. */
function cpuTimes() {
    const own = fs
        .readFileSync("/proc/self/stat", "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
    const machine = os.cpus().map(({ times }) => times);
    const all = machine.flatMap(times => Object.values(times)).reduce((a, b) => a + b, 0) / 1000;
    const idle = machine.reduce((sum, times) => sum + times.idle, 0) / 1000;
    return { children: (Number(own[13]) + Number(own[14])) / 100, busy: all - idle, all };
}

async function measured(name, work) {
    const started = performance.now();
    const before = cpuTimes();
    await work();
    const after = cpuTimes();
    const seconds = (performance.now() - started) / 1000;
    const busy = (100 * (after.busy - before.busy)) / Math.max(0.01, after.all - before.all);
    return `${name}: ${seconds.toFixed(0)} s, CPU of the tests without etcd ${(after.children - before.children).toFixed(0)} s, machine ${busy.toFixed(0)} % busy`;
}

const { values: flags, positionals: only } = parseArgs({
    options: { all: { type: "boolean" }, rest: { type: "boolean" }, "save-durations": { type: "boolean" } },
    allowPositionals: true,
});
stopOnSignals();
if (!flags.rest) {
    fs.rmSync("build/test", { recursive: true, force: true });
}
const { jobs, skipped } = plan({ mode: flags.all ? "all" : flags.rest ? "rest" : "test", only, env: process.env });
skipped.forEach(addSkipped);
const versions = [];
for (const version of new Set(jobs.map(job => job.version).filter(Boolean))) {
    if (await fetchEtcd(version)) {
        versions.push(version);
    }
}
const ready = sortJobs(
    jobs.filter(job => job.version === undefined || versions.includes(job.version)),
    versions,
);
const tested = new Map(); // what each version is exactly
const options = {
    root,
    timeoutMs,
    onBed: bed => tested.set(bed.etcd, bed.version),
    onResult: addResult,
    onError: addError,
};
const shared = ready.filter(job => !job.alone);
const alone = ready.filter(job => job.alone);
const notes = [
    await measured(`${lanes} lanes`, () => runLanes(shared, lanes, options)),
    await measured("alone", () => runLanes(alone, 1, options)),
];
for (const [version, exact] of tested) {
    notes.push(`etcd ${version}: ${exact}`);
}
const { passed, failed, results } = summarize(notes);
if (flags["save-durations"]) {
    save(results);
}
process.exitCode = failed > 0 || (passed === 0 && ready.length > 0) ? 1 : 0;
