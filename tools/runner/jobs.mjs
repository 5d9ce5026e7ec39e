// Runs one job, a test file, and reads its results from its output.

import fs from "node:fs";
import path from "node:path";
import { run } from "./processes.mjs";

const ROOT = path.resolve(import.meta.dirname, "../..");
const LOGS = path.join(ROOT, "build", "test");

/** Lines of output shown of a file that failed without saying why. */
const LAST_LINES = 20;

const RECORD_SEPARATOR = "\x1e";

/** The event in a line of output; none if the line is something else, or cut off with the process. */
function parseEvent(line) {
    try {
        return JSON.parse(line.split(RECORD_SEPARATOR)[1]);
    } catch {
        return {};
    }
}

/** Reads the events of busted_output.lua. */
function specReader(result) {
    let isComplete = false;
    let running;
    return {
        line(text) {
            const event = parseEvent(text);
            running = event.running ?? running;
            if (event.failed !== undefined) {
                result.failures.push([event.at, event.failed, event.text, ""].join("\n"));
            } else if (event.passed !== undefined) {
                Object.assign(result, { passed: event.passed, failed: event.failures, pending: event.pending });
                isComplete = true;
            }
        },
        /** What is wrong with a process that says it has succeeded. */
        missing: () => (isComplete ? "" : "ended before its last test"),
        where: () => (isComplete || running === undefined ? "" : `, in "${running}"`),
    };
}

/** Reads TAP from `prove -v`. */
function tapReader(result) {
    return {
        line(text) {
            const found = /^(not )?ok \d+(.*)/.exec(text);
            if (found && /# (?:skip|todo)/i.test(found[2])) {
                result.pending++;
            } else if (found && !found[1]) {
                result.passed++;
            } else if (found || /^ +Parse errors:/.test(text)) {
                result.failed++; // a file that ends before its last test has a parse error
                result.failures.push(text);
            } else if (text.startsWith("#")) {
                result.failures.push(text);
            }
        },
        missing: () => "",
        where: () => "",
    };
}

const NODE_COUNTS = { pass: "passed", skipped: "pending", todo: "pending" };

/** Reads the "spec" report of node --test; it repeats the failures at its end. */
function nodeReader(result) {
    let inFailures = false;
    return {
        line(text) {
            const found = /^ℹ (pass|fail|cancell?ed|skipped|todo) (\d+)/.exec(text);
            if (found) {
                result[NODE_COUNTS[found[1]] ?? "failed"] += Number(found[2]);
            }
            inFailures ||= /^✖ failing tests/.test(text);
            if (inFailures) {
                result.failures.push(text);
            }
        },
        missing: () => "",
        where: () => "",
    };
}

function testNginxEnv(bed, bedFile, servroot) {
    const modules = ["ndk_http_module.so", "ngx_http_lua_module.so"]
        .map(name => path.join(process.env.RESTY_MODULES || "/usr/lib/nginx/modules", name))
        .filter(file => fs.existsSync(file));
    const multiarch = fs
        .readdirSync("/usr/lib")
        .filter(name => name.includes("-linux-gnu"))
        .map(name => `/usr/lib/${name}/lua/5.1/?.so`);
    return {
        PERL5LIB: [path.join(ROOT, ".cache", "test-nginx"), process.env.PERL5LIB].filter(Boolean).join(":"),
        PATH: `${process.env.PATH}:/usr/sbin`,
        TEST_NGINX_BINARY: process.env.RESTY_NGINX || "nginx",
        TEST_NGINX_LOAD_MODULES: modules.join(" "),
        TEST_NGINX_SERVROOT: servroot,
        TEST_NGINX_PORT: String(bed.ports.last),
        ...(process.getuid() === 0 ? { TEST_NGINX_WORKER_USER: "root" } : {}),
        TEST_NGINX_ROOT: ROOT,
        TEST_NGINX_LUA_CPATH: [...multiarch, ";"].join(";"),
        TEST_NGINX_ETCD: bed.single.http,
        TEST_NGINX_ETCD_PORT: String(bed.single.port),
        ETCD_BED: bedFile,
    };
}

/** The command, environment and reader of each kind of job. */
const KINDS = {
    spec: (job, lane, log) => ({
        command: "tools/run-specs",
        args: ["--output=tools/runner/busted_output.lua", ...job.tags, job.file],
        env: {
            ...job.env,
            ETCD_BED: lane.bedFile,
            RESTY_ERRLOG: log.replace(/\.log$/, ".nginx.log"),
            RESTY_TRUSTED_CA: lane.bed.certs.ca,
        },
        reader: specReader,
    }),
    nginx: (job, lane) => {
        const servroot = path.join(ROOT, "build", "servroot", lane.name);
        fs.mkdirSync(path.dirname(servroot), { recursive: true });
        const env = testNginxEnv(lane.bed, lane.bedFile, servroot);
        return { command: "prove", args: ["-v", job.file], env, servroot, reader: tapReader };
    },
    checks: job => ({
        command: process.execPath,
        args: ["--test", "--test-reporter=spec", job.file],
        env: {},
        reader: nodeReader,
    }),
};

function logFile(job) {
    const name = job.file.replace(/\.(lua|t|mjs)$/, "").replaceAll("/", ".");
    const folder = path.join(LOGS, job.leg.replace(/[^\w.]+/g, "-"));
    fs.mkdirSync(folder, { recursive: true });
    return path.join(folder, `${name}${job.alone ? ".alone" : ""}.log`);
}

/**
 * Runs a job in a lane: {name, bedFile, bed}.
 * @returns {passed, failed, pending, failures (texts), seconds, log}
 */
export async function runJob(job, lane, timeoutMs) {
    const log = logFile(job);
    const { command, args, env, servroot, reader } = KINDS[job.kind](job, lane, log);
    const result = { job, passed: 0, failed: 0, pending: 0, failures: [], log: path.relative(ROOT, log) };
    const read = reader(result);
    const lines = [];
    const started = performance.now();
    const end = await run(command, args, {
        env,
        timeoutMs,
        servroot,
        onLine: line => {
            lines.push(line);
            read.line(line);
        },
    });
    result.seconds = (performance.now() - started) / 1000;
    fs.writeFileSync(log, lines.map(line => `${line}\n`).join(""));
    const wrong = end || read.missing();
    if (wrong !== "" && result.failed === 0) {
        const said = lines.filter(line => line.trim() !== "" && !line.includes(RECORD_SEPARATOR));
        result.failed = 1;
        result.failures = [wrong + read.where(), ...said.slice(-LAST_LINES)];
    }
    return result;
}
