// What a test run consists of: jobs, each a test file with an etcd version and, for specs, a transport.

import fs from "node:fs";
import path from "node:path";

/**
 * The transports that the specs run on. `runs` returns the environment of each run, or the reason why there is none.
 */
const TRANSPORTS = [
    { name: "cosocket", runs: () => [{}] },
    {
        name: "resty_http",
        runs: env => {
            const folders = (env.RESTY_HTTP_PATH ?? "").split(/[:;]/).filter(Boolean);
            return folders.length > 0
                ? folders.map(folder => ({ RESTY_HTTP_PATH: folder }))
                : "RESTY_HTTP_PATH is not set to a folder with resty/http.lua";
        },
    },
];

/** `make test` runs everything on this version. */
const MAIN_VERSION = "3.5";
/** `make test` runs DIALECT on this version. */
const DIALECT_VERSION = "3.4";
const ALL_VERSIONS = ["3.5", "3.4", "3.6", "3.7"];

/**
 * Specs whose results depend on etcd's version: JSON and error bodies of the gateway (v1 up to 3.4, v2 since), and what
 * etcd's watches, compactions and logins do.
 */
const DIALECT = [
    "spec/api",
    "spec/call/authenticate_spec.lua",
    "spec/call/auth_options_spec.lua",
    "spec/fault/auth_spec.lua",
    "spec/mirror/etcd_spec.lua",
    "spec/protocol",
    "spec/transport/error_hints_spec.lua",
    "spec/transport/gateway",
    "spec/watcher/compaction_spec.lua",
    "spec/watcher/permissions_spec.lua",
    "spec/watcher/restore_spec.lua",
    "spec/watcher/watcher_spec.lua",
];

/** A test marked with this, in its name or its `describe`, runs while nothing else does: it measures time or CPU. */
const ALONE = "#alone";

function filesIn(folder, pattern, options) {
    const names = fs.existsSync(folder) ? fs.readdirSync(folder, options) : [];
    return names
        .filter(name => pattern.test(name))
        .sort()
        .map(name => path.join(folder, name));
}

/** All test files by kind; `build/spec` has what the TypeScript specs were compiled to. */
function allFiles() {
    return {
        spec: ["build/spec", "spec"].flatMap(folder => filesIn(folder, /_spec\.lua$/, { recursive: true })),
        nginx: filesIn("t", /\.t$/),
        checks: filesIn("tools/checks", /\.test\.mjs$/),
    };
}

const isIn = (file, paths) => paths.some(one => file === one || file.startsWith(`${one}/`));

/** Returns the files that an argument of tools/test selects: a file, a folder, or a folder of spec/. */
function select(argument, files) {
    const name = argument.replace(/^\.\//, "").replace(/\/+$/, "").replace(/\.ts$/, ".lua");
    const found = [name, `spec/${name}`, `build/${name}`, `build/spec/${name}`];
    const selected = files.filter(file => isIn(file, found));
    if (selected.length === 0) {
        console.log(`FAILED: no test file in ${argument}\n0 passed, 1 failed`);
        process.exit(1);
    }
    return selected;
}

/** Leaves of all files those that the arguments select. */
function narrow(files, only) {
    const wanted = new Set(only.flatMap(argument => select(argument, Object.values(files).flat())));
    return Object.fromEntries(
        Object.entries(files).map(([kind, list]) => [kind, list.filter(file => wanted.has(file))]),
    );
}

function transportRuns(env) {
    const runs = [];
    const skipped = env.RESTY_DNS_PATH ? [] : ["specs that resolve names: RESTY_DNS_PATH is not set"];
    for (const { name, runs: list } of TRANSPORTS) {
        const found = list(env);
        if (typeof found === "string") {
            skipped.push(`specs on ${name}: ${found}`);
            continue;
        }
        found.forEach((variables, i) => {
            const from = found.length > 1 ? ` from ${Object.values(variables).join(" ")}` : "";
            runs.push({ label: name + from, isFirst: i === 0, env: { ...variables, ETCD_TRANSPORT: name } });
        });
    }
    return { runs, skipped };
}

const isTagged = file => fs.readFileSync(file, "utf8").includes(ALONE);

/** A spec with tests that run alone is two jobs: busted selects by tags. */
function specJobs(file, version, run) {
    const job = { kind: "spec", file, version, leg: `etcd ${version}, ${run.label}`, env: run.env, tags: [] };
    if (!isTagged(file)) {
        return [job];
    }
    const tag = ALONE.slice(1);
    return [
        { ...job, tags: [`--exclude-tags=${tag}`] },
        { ...job, tags: [`--tags=${tag}`], alone: true },
    ];
}

function jobsOf(files, version, runs) {
    return [
        ...runs.flatMap(run => files.spec.flatMap(file => specJobs(file, version, run))),
        ...files.nginx.map(file => ({
            kind: "nginx",
            file,
            version,
            leg: `etcd ${version}, Test::Nginx`,
            alone: isTagged(file),
        })),
    ];
}

const keyOf = job => [job.leg, job.file, job.alone ?? false].join(" ");

/**
 * Plans a run.
 * @param mode "test", "all", or "rest": what "all" has beyond "test"
 * @param only files and folders to which the run is limited
 */
export function plan({ mode, only, env }) {
    const files = only.length > 0 ? narrow(allFiles(), only) : allFiles();
    const { runs, skipped } = transportRuns(env);
    const asked = (env.ETCD_VERSIONS ?? "").split(/[\s,]+/).filter(Boolean);
    const full = (versions, some) => versions.flatMap(version => jobsOf(files, version, some));
    const first = runs.filter(run => run.isFirst);
    const checks = files.checks.map(file => ({ kind: "checks", file, leg: "checks" }));

    let test;
    if (asked.length > 0 || only.length > 0) {
        test = full(asked.length > 0 ? asked : [MAIN_VERSION], first);
    } else {
        const dialect = { spec: files.spec.filter(file => isIn(file, DIALECT)), nginx: [] };
        test = [...full([MAIN_VERSION], first), ...jobsOf(dialect, DIALECT_VERSION, runs.slice(0, 1))];
    }
    test.push(...checks);
    if (mode === "test") {
        return { jobs: test, skipped };
    }
    const all = [...full(asked.length > 0 ? asked : ALL_VERSIONS, runs), ...checks];
    const tested = new Set(mode === "rest" ? test.map(keyOf) : []);
    return { jobs: all.filter(job => !tested.has(keyOf(job))), skipped };
}

/** Whether a run is complete without a version: one that is built from source, and was not asked for by name. */
export function isOptional(version, env) {
    return !env.ETCD_VERSIONS && version !== MAIN_VERSION && version !== DIALECT_VERSION;
}
