// How long each test file takes, for the order of a run: the longest first, so that no lane ends late.

import fs from "node:fs";
import path from "node:path";

const FILE = path.join(import.meta.dirname, "..", "spec_durations.json");

const read = () => (fs.existsSync(FILE) ? JSON.parse(fs.readFileSync(FILE, "utf8")) : {});

/** Sorts the jobs by the order of their versions, then by duration; a new file counts as an average one. */
export function sortJobs(jobs, versions) {
    const known = read();
    const all = Object.values(known);
    const average = all.reduce((sum, seconds) => sum + seconds, 0) / Math.max(1, all.length);
    const seconds = job => known[job.file] ?? average;
    const order = job => Math.max(0, versions.indexOf(job.version));
    return [...jobs].sort((a, b) => order(a) - order(b) || seconds(b) - seconds(a));
}

/** Replaces the recorded durations by those of this run: per file the longest of its legs, without the tests that run alone. */
export function save(results) {
    const seconds = new Map();
    for (const result of results) {
        if (!result.job.alone && result.failed === 0) {
            const { file } = result.job;
            seconds.set(file, Math.max(seconds.get(file) ?? 0, Math.round(result.seconds * 10) / 10));
        }
    }
    const sorted = Object.fromEntries([...seconds].sort(([a], [b]) => (a < b ? -1 : 1)));
    fs.writeFileSync(FILE, `${JSON.stringify(sorted, null, 4)}\n`);
}
