// Child processes of a test run: each has a process group, and ends with the run.

import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { promisify } from "node:util";

const KILL_DELAY_MS = 2000;

const children = new Map(); // the running children, each with its Test::Nginx server root
const bedDirs = new Set(); // test beds that are up
const bedCommands = new Set();
let stopping = false;

/** After a signal nothing new starts: the process ends as soon as everything is down. */
export async function haltIfStopping() {
    if (stopping) {
        await new Promise(() => {});
    }
}

function killGroup(child, signal) {
    try {
        process.kill(-child.pid, signal);
    } catch {
        // has ended
    }
}

/** Kills the nginx of Test::Nginx: as a daemon it is in none of our process groups. */
function killDaemon(servroot) {
    try {
        const pid = fs.readFileSync(path.join(servroot, "logs", "nginx.pid"), "utf8").trim();
        if (fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${servroot}/`)) {
            process.kill(Number(pid), "SIGKILL");
        }
    } catch {
        // not running
    }
}

/** Ends a child with all that it started; it has KILL_DELAY_MS to clean up. */
function stopChild(child) {
    killGroup(child, "SIGTERM");
    killDaemon(children.get(child));
    setTimeout(() => killGroup(child, "SIGKILL"), KILL_DELAY_MS).unref();
}

/**
 * Runs a command and passes its lines on.
 * @returns how it ended: "" after status 0, otherwise the reason
 */
export async function run(command, args, { env, timeoutMs, servroot, onLine }) {
    await haltIfStopping();
    const child = spawn(command, args, {
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
    });
    children.set(child, servroot);
    let timedOut = false;
    const timer = setTimeout(() => {
        timedOut = true;
        stopChild(child);
    }, timeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
        readline.createInterface({ input: stream, crlfDelay: Infinity }).on("line", onLine);
    }
    const end = await new Promise(resolve => {
        child.on("error", error => resolve(error.message));
        child.on("close", (code, signal) => resolve(code === 0 ? "" : `ended with ${signal ?? `status ${code}`}`));
    });
    clearTimeout(timer);
    children.delete(child);
    return timedOut ? `did not end within ${timeoutMs / 1000} s` : end;
}

async function bed(command, dir, ...args) {
    const promise = promisify(execFile)(process.execPath, ["tools/bed.mjs", command, "--dir", dir, ...args]);
    bedCommands.add(promise);
    try {
        return await promise;
    } finally {
        bedCommands.delete(promise);
    }
}

/** Starts a test bed of an etcd version; returns the path of its bed.json. */
export async function bedUp(dir, version) {
    await haltIfStopping();
    bedDirs.add(dir);
    return (await bed("up", dir, "--etcd", version)).stdout.trim();
}

export async function bedDown(dir) {
    if (bedDirs.delete(dir)) {
        await bed("down", dir);
    }
}

async function stop() {
    stopping = true;
    const ended = [...children.keys()].map(child => new Promise(resolve => child.once("close", resolve)));
    for (const child of children.keys()) {
        stopChild(child);
    }
    await Promise.all(ended);
    for (const command of bedCommands) {
        command.child.kill("SIGTERM");
    }
    await Promise.allSettled(bedCommands);
    await Promise.all([...bedDirs].map(bedDown)).catch(error => console.error(error.message));
    process.exit(1);
}

/** Makes signals end the run with all its processes. */
export function stopOnSignals() {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
        process.once(signal, stop);
    }
}
