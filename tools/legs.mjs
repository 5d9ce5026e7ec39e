// Runs the legs of the test suite, for tools/test: for each etcd version a test bed, the specs on each transport and
// Test::Nginx; then the checks in tools/checks. The last line is the sum: "N passed, N failed".
//
// The tests wait more than they compute, so that TEST_LANES versions at a time (default 2) are tested side by side;
// each line tells its version.

import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { promisify } from "node:util";

const root = path.dirname(import.meta.dirname);
process.chdir(root);

const versions = (process.env.ETCD_VERSIONS || "3.4 3.5").split(/[\s,]+/).filter(Boolean);
const restyHttpFolders = (process.env.RESTY_HTTP_PATH ?? "").split(/[:;]/).filter(Boolean);
const timeoutMs = Number(process.env.TEST_LEG_TIMEOUT || 1800) * 1000;
const lanes = Math.max(1, Number(process.env.TEST_LANES || 2));
const total = { passed: 0, failed: 0 };
const children = new Map(); // of the legs that run, each with its servroot
const bedDirs = new Set(); // of the beds that are up
const bedCommands = new Set(); // those that run
let stopping = false;

async function bed(command, dir, ...args) {
    const promise = promisify(execFile)(process.execPath, ["tools/bed.mjs", command, "--dir", dir, ...args]);
    bedCommands.add(promise);
    try {
        return await promise;
    } finally {
        bedCommands.delete(promise);
    }
}

async function bedDown(dir) {
    if (bedDirs.delete(dir)) {
        await bed("down", dir);
    }
}

/** After a signal nothing new starts: the process ends as soon as all is down. */
async function haltIfStopping() {
    if (stopping) {
        await new Promise(() => {});
    }
}

/** Kills a leg with all that it started; each has a process group of its own. */
function killGroup(child, signal) {
    try {
        process.kill(-child.pid, signal);
    } catch {
        // over already
    }
}

/** Test::Nginx's nginx is a daemon, in no group of ours: a killed leg leaves it behind. */
function killDaemon(servroot) {
    try {
        const pid = fs.readFileSync(path.join(servroot, "logs", "nginx.pid"), "utf8").trim();
        if (fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${servroot}/`)) {
            process.kill(Number(pid), "SIGKILL");
        }
    } catch {
        // none left
    }
}

/** Lets a leg clean up behind itself, but not for long. */
function stopLeg(child) {
    killGroup(child, "SIGTERM");
    killDaemon(children.get(child));
    setTimeout(() => killGroup(child, "SIGKILL"), 2000).unref();
}

/** Runs a command and passes its lines on; resolves with how it ended. */
async function run(command, args, env, onLine) {
    await haltIfStopping();
    const child = spawn(command, args, {
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
    });
    children.set(child, env.TEST_NGINX_SERVROOT);
    let timedOut = false;
    const timer = setTimeout(() => {
        timedOut = true;
        stopLeg(child);
    }, timeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
        readline.createInterface({ input: stream, crlfDelay: Infinity }).on("line", onLine);
    }
    const end = await new Promise(resolve => {
        child.on("error", error => resolve(error.message));
        child.on("close", (code, signal) => resolve(code === 0 ? "" : signal ? `signal ${signal}` : `status ${code}`));
    });
    clearTimeout(timer);
    children.delete(child);
    return timedOut ? `killed after ${timeoutMs / 1000} s` : end;
}

/**
 * One leg: `count(line, counts)` picks the numbers out of the output; lines that it returns false for are not shown. A
 * leg that ends badly, or that ran nothing, is a failure even when it reports none.
 */
async function leg(lane, title, command, args, env, count) {
    const say = line => console.log(`${lane}| ${line}`);
    say(`== ${title}`);
    const counts = { passed: 0, failed: 0, pending: 0 };
    const started = Date.now();
    const end = await run(command, args, env, line => {
        if (count(line, counts) !== false) {
            say(line);
        }
    });
    if (counts.failed === 0 && (end !== "" || counts.passed === 0)) {
        counts.failed = 1;
        say(`FAILED: ${end === "" ? "no test ran" : `ended with ${end}`}`);
    }
    if (process.env.RESTY_NO_PENDING === "1") {
        counts.failed += counts.pending;
    }
    total.passed += counts.passed;
    total.failed += counts.failed;
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    const pending = counts.pending > 0 ? `, ${counts.pending} pending` : "";
    say(`-- ${title}: ${counts.passed} passed, ${counts.failed} failed${pending} in ${seconds} s`);
}

function countBusted(line, counts) {
    const found = /^(\d+) success(?:es)? \/ (\d+) failures? \/ (\d+) errors? \/ (\d+) pending/.exec(line);
    if (found) {
        const [successes, failures, errors, pending] = found.slice(1).map(Number);
        counts.passed += successes;
        counts.failed += failures + errors;
        counts.pending += pending;
    }
}

/** TAP from `prove -v`; passed tests are counted only, not shown. */
function countTap(line, counts) {
    const found = /^(not )?ok \d+(.*)/.exec(line);
    if (/^ +Parse errors:/.test(line)) {
        counts.failed++; // a file that died early
    }
    if (!found) {
        return !/^\s*$|^ok$|^\d+\.\.\d+$/.test(line);
    }
    if (/# (?:skip|todo)/i.test(found[2])) {
        counts.pending++;
    } else if (found[1]) {
        counts.failed++;
    } else {
        counts.passed++;
        return false;
    }
    return true;
}

function countNode(line, counts) {
    const found = /^ℹ (pass|fail|cancelled|skipped|todo) (\d+)/.exec(line);
    if (found) {
        const key = { pass: "passed", fail: "failed", cancelled: "failed", skipped: "pending", todo: "pending" }[
            found[1]
        ];
        counts[key] += Number(found[2]);
    }
    return !line.startsWith("ℹ");
}

function filesIn(folder, pattern, options) {
    const names = fs.existsSync(folder) ? fs.readdirSync(folder, options) : [];
    return names
        .filter(name => pattern.test(name))
        .sort()
        .map(name => path.join(folder, name));
}

function testNginxEnv(bedFile, servroot) {
    const { single, ports } = JSON.parse(fs.readFileSync(bedFile, "utf8"));
    const modules = ["ndk_http_module.so", "ngx_http_lua_module.so"]
        .map(name => path.join(process.env.RESTY_MODULES || "/usr/lib/nginx/modules", name))
        .filter(file => fs.existsSync(file));
    const multiarch = filesIn("/usr/lib", /-linux-gnu/).map(folder => `${folder}/lua/5.1/?.so`);
    return {
        PERL5LIB: [path.join(root, ".cache", "test-nginx"), process.env.PERL5LIB].filter(Boolean).join(":"),
        PATH: `${process.env.PATH}:/usr/sbin`,
        TEST_NGINX_BINARY: process.env.RESTY_NGINX || "nginx",
        TEST_NGINX_LOAD_MODULES: modules.join(" "),
        TEST_NGINX_SERVROOT: servroot,
        TEST_NGINX_PORT: String(ports.last),
        ...(process.getuid() === 0 ? { TEST_NGINX_WORKER_USER: "root" } : {}),
        TEST_NGINX_ROOT: root,
        TEST_NGINX_LUA_CPATH: [...multiarch, ";"].join(";"),
        TEST_NGINX_ETCD: single.http,
        TEST_NGINX_ETCD_PORT: String(single.port),
        ETCD_BED: bedFile,
    };
}

async function testVersion(version) {
    const bedDir = path.join(root, ".bed", version);
    bedDirs.add(bedDir);
    try {
        const bedFile = (await bed("up", bedDir, "--etcd", version)).stdout.trim();
        await testWith(version, bedFile);
    } catch (error) {
        await haltIfStopping();
        total.failed++;
        console.log(`etcd ${version}: FAILED: ${error.stderr ?? error.message}`);
    } finally {
        await bedDown(bedDir);
    }
}

async function testWith(version, bedFile) {
    const exact = JSON.parse(fs.readFileSync(bedFile, "utf8")).version;
    const name = `etcd ${exact === version ? version : `${version} (${exact})`}`;
    const specFolders = ["build/spec", "spec"];
    if (specFolders.some(folder => filesIn(folder, /_spec\.lua$/, { recursive: true }).length > 0)) {
        const env = { ETCD_BED: bedFile, ETCD_TRANSPORT: "cosocket" };
        await leg(version, `${name}: specs, cosocket`, "tools/run-specs", [], env, countBusted);
        for (const folder of restyHttpFolders) {
            const legEnv = { ...env, ETCD_TRANSPORT: "resty_http", RESTY_HTTP_PATH: folder };
            await leg(version, `${name}: specs, resty_http from ${folder}`, "tools/run-specs", [], legEnv, countBusted);
        }
    }
    const tests = filesIn("t", /\.t$/);
    if (tests.length > 0) {
        const servroot = path.join(root, "build", "servroot", version);
        fs.mkdirSync(path.dirname(servroot), { recursive: true });
        const env = testNginxEnv(bedFile, servroot);
        await leg(version, `${name}: Test::Nginx`, "prove", ["-v", ...tests], env, countTap);
    }
}

async function stop() {
    stopping = true;
    const ended = [...children.keys()].map(child => new Promise(resolve => child.once("close", resolve)));
    for (const child of children.keys()) {
        stopLeg(child);
    }
    await Promise.all(ended);
    for (const command of bedCommands) {
        command.child.kill("SIGTERM");
    }
    await Promise.allSettled(bedCommands);
    await Promise.all([...bedDirs].map(bedDown)).catch(error => console.error(error.message));
    process.exit(1);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, stop);
}

if (restyHttpFolders.length === 0) {
    console.log("SKIPPED: resty_http leg (set RESTY_HTTP_PATH to folders with resty/http.lua)");
}
const waiting = [...versions];
async function lane() {
    for (let version = waiting.shift(); version !== undefined; version = waiting.shift()) {
        await testVersion(version);
    }
}
await Promise.all(Array.from({ length: lanes }, lane));
const checks = filesIn("tools/checks", /\.test\.mjs$/);
if (checks.length > 0) {
    await leg("checks", "checks", process.execPath, ["--test", "--test-reporter=spec", ...checks], {}, countNode);
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
