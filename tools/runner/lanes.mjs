// Lanes: each takes one job after another from a common queue, and runs it against a private test bed. Jobs of
// different lanes thus share no etcd, no ports and no files.

import fs from "node:fs";
import path from "node:path";
import { runJob } from "./jobs.mjs";
import { bedDown, bedUp, haltIfStopping } from "./processes.mjs";

async function closeBed(lane) {
    lane.bed = undefined;
    await bedDown(lane.dir);
}

async function openBed(lane, version) {
    await closeBed(lane);
    lane.bedFile = await bedUp(lane.dir, version);
    lane.bed = JSON.parse(fs.readFileSync(lane.bedFile, "utf8"));
    lane.onBed(lane.bed);
}

/** Takes the next job: the first one for the etcd that the lane has, or the first of all. */
function take(queue, lane) {
    const version = lane.bed?.etcd;
    const index = queue.findIndex(job => job.version === undefined || job.version === version);
    return queue.splice(Math.max(0, index), 1)[0];
}

async function work(lane, queue, options) {
    for (let job = take(queue, lane); job !== undefined; job = take(queue, lane)) {
        await haltIfStopping();
        try {
            if (job.version !== undefined && job.version !== lane.bed?.etcd) {
                await openBed(lane, job.version);
            }
        } catch (error) {
            await haltIfStopping();
            queue.unshift(job); // another lane has a bed, or reports it as not run
            options.onError(`lane ${lane.name}: no test bed of etcd ${job.version}: ${error.stderr || error.message}`);
            break;
        }
        const result = await runJob(job, lane, options.timeoutMs);
        await haltIfStopping();
        options.onResult(result);
        if (result.failed > 0 && lane.bed) {
            await closeBed(lane); // a failed test can leave a member stopped, or authentication enabled
        }
    }
    await closeBed(lane);
}

/**
 * Runs jobs, in their order, in a number of lanes.
 * @param options root, timeoutMs, onBed(bed), onResult(result), onError(text)
 */
export async function runLanes(jobs, count, options) {
    const queue = [...jobs];
    const lanes = Array.from({ length: Math.min(count, queue.length) }, (_, i) => ({
        name: `lane${i + 1}`,
        dir: path.join(options.root, ".bed", `lane${i + 1}`),
        onBed: options.onBed,
    }));
    await Promise.all(lanes.map(lane => work(lane, queue, options)));
    for (const job of queue) {
        options.onResult({ job, passed: 0, failed: 1, pending: 0, failures: ["not run: no test bed"], seconds: 0 });
    }
}
