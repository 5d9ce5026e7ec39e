#!/usr/bin/env node
// The test bed: real etcd servers of one version on free ports of the loopback interface.
//
//   bed.mjs up --dir DIR [--etcd VERSION]     start all, write DIR/bed.json and print its path (default: 3.4)
//   bed.mjs down --dir DIR                    kill all and remove DIR
//   bed.mjs signal --dir DIR NAME SIGNAL      SIGNAL like KILL, TERM, STOP, CONT; waits for the exit after KILL
//   bed.mjs restart --dir DIR NAME...         (kill and) start with the same ports and data, wait until healthy
//   bed.mjs join --dir DIR NAME               add a new server to the cluster as a learner; prints its URL
//   bed.mjs leave --dir DIR NAME              remove such a server from the cluster, if it is a member, and kill it
//   bed.mjs add --dir DIR NAME -- [FLAG...]   start one more server, with these flags of etcd, and print
//                                             {"http", "port", "spare"}; "SPARE" in a flag is a free port.
//                                             A server of the same name is killed first, and its data removed
//
// Servers: single (plain; on ::1 too where the machine has it), auth (users and roles), tls, mtls (requires a client
// certificate), and m1, m2, m3, a cluster whose tokens expire after 2 s. They outlive `up`. DIR/members/NAME.json is
// written as soon as a server runs, so that an `up` or `down` after a crash finds its process.

import { execFile, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";

const START_TIMEOUT_MS = 30_000;
const CLUSTER = ["m1", "m2", "m3"];
const PLAIN = ["single", "auth", ...CLUSTER];
const TLS = ["tls", "mtls"];
const PORTS = { first: 20_000, slices: 20, perSlice: 600 };

function fail(message) {
    throw new Error(message);
}

function readJson(file) {
    return JSON.parse(fs.readFileSync(file, "utf8"));
}

/** Replaces a file atomically: a reader sees the old or the new content. */
function writeJson(file, value) {
    fs.writeFileSync(`${file}.tmp`, `${JSON.stringify(value, null, 4)}\n`);
    fs.renameSync(`${file}.tmp`, file);
}

// Processes

const memberFile = (dir, name) => path.join(dir, "members", `${name}.json`);
const dataDirFlag = (dir, name) => `--data-dir=${path.join(dir, "data", name)}`;

/** Reports whether the recorded process still runs and is that server of this bed, not a later process with its id. */
function isAlive(dir, name, pid) {
    try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(dataDirFlag(dir, name));
    } catch {
        return false;
    }
}

const PF_EXITING = 0x4;

/** Reports whether a process without a command line still has threads, which keep its sockets open. */
function isEnding(pid) {
    try {
        const threads = fs.readdirSync(`/proc/${pid}/task`).map(thread => {
            const [state, , , , , , flags] = fs
                .readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8")
                .replace(/^.*\) /s, "")
                .split(" ");
            return { state, isExiting: (Number(flags) & PF_EXITING) !== 0 };
        });
        return threads.some(({ isExiting }) => isExiting) && threads.some(({ state }) => !"ZX".includes(state));
    } catch {
        return fs.existsSync(`/proc/${pid}`); // a thread has just ended: check again
    }
}

function sendSignal(dir, name, pid, signal) {
    if (!isAlive(dir, name, pid)) {
        return false;
    }
    process.kill(pid, signal);
    return true;
}

async function killAndWait(dir, name, pid) {
    sendSignal(dir, name, pid, "SIGKILL");
    for (const end = Date.now() + 10_000; isAlive(dir, name, pid) || isEnding(pid); await sleep(5)) {
        if (Date.now() > end) {
            fail(`${name} (process ${pid}) does not exit`);
        }
    }
}

async function killAll(dir) {
    const members = path.join(dir, "members");
    const files = fs.existsSync(members) ? fs.readdirSync(members).filter(file => file.endsWith(".json")) : [];
    await Promise.all(
        files.map(file => killAndWait(dir, path.basename(file, ".json"), readJson(path.join(members, file)).pid)),
    );
}

function startMember(dir, name, { command, args, url }) {
    const log = fs.openSync(path.join(dir, "logs", `${name}.log`), "a");
    // etcd also reads every flag from ETCD_*
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("ETCD")));
    if (process.arch !== "x64") {
        env.ETCD_UNSUPPORTED_ARCH = process.arch; // 3.4 does not start on arm64 without it
    }
    const child = spawn(command, args, { detached: true, stdio: ["ignore", log, log], env });
    fs.closeSync(log);
    const { pid } = child;
    if (pid === undefined) {
        fail(`cannot start ${command}`);
    }
    writeJson(memberFile(dir, name), { pid, command, args, url });
    child.unref();
    return { name, pid, url, child };
}

// HTTP

/** Resolves with {status, body}; rejects if there is no response. */
function request(method, url, { body, tls } = {}) {
    return new Promise((resolve, reject) => {
        const client = url.startsWith("https:") ? https : http;
        const req = client.request(url, { method, agent: false, timeout: 5000, ...tls }, res => {
            let text = "";
            res.setEncoding("utf8");
            res.on("data", chunk => (text += chunk));
            res.on("end", () => resolve({ status: res.statusCode, body: text }));
            res.on("error", reject);
        });
        req.on("timeout", () => req.destroy(new Error(`${url}: timeout`)));
        req.on("error", reject);
        req.end(body === undefined ? undefined : JSON.stringify(body));
    });
}

async function post(base, route, body) {
    const answer = await request("POST", base + route, { body });
    if (answer.status !== 200) {
        fail(`${route}: ${answer.status} ${answer.body}`);
    }
}

function tlsOptions(certs) {
    const pem = file => (fs.existsSync(file) ? fs.readFileSync(file) : undefined);
    return { ca: pem(certs.ca), cert: pem(certs.client), key: pem(certs.client_key) };
}

async function waitHealthy(dir, { name, pid, url }, tls) {
    for (const end = Date.now() + START_TIMEOUT_MS; ; await sleep(20)) {
        const answer = await request("GET", `${url}/health`, { tls }).catch(() => undefined);
        if (answer?.status === 200) {
            return;
        }
        if (!isAlive(dir, name, pid) || Date.now() > end) {
            const log = fs.readFileSync(path.join(dir, "logs", `${name}.log`), "utf8");
            fail(`etcd ${name} did not become healthy; end of its log:\n${log.split("\n").slice(-10).join("\n")}`);
        }
    }
}

// Set-up

function listen(host, port) {
    return new Promise((resolve, reject) => {
        const server = net.createServer();
        server.once("error", reject);
        server.listen({ host, port, exclusive: true }, () => resolve(server));
    });
}

const closed = server => new Promise(resolve => server.close(resolve));

/**
 * Takes a slice of the machine's ports that no other bed has, below the range that the kernel uses for outgoing
 * connections: the port of a stopped server stays free until it is started again. The server `single`, on the first
 * port, marks the slice as taken. The second port does so while that server starts; it is not used for anything else.
 * @returns the first port, and a socket that marks the slice as taken until it is closed
 */
async function takeSlice() {
    const firsts = Array.from({ length: PORTS.slices }, (_, i) => PORTS.first + i * PORTS.perSlice);
    while (firsts.length > 0) {
        const [first] = firsts.splice(randomInt(firsts.length), 1);
        const claim = await listen("127.0.0.1", first + 1).catch(() => undefined);
        if (claim) {
            const server = await listen("127.0.0.1", first).catch(() => undefined);
            if (server) {
                await closed(server);
                return { slice: first, claim };
            }
            await closed(claim);
        }
    }
    fail("no free ports: too many test beds");
}

/** Returns free ports for a bed's own servers: from the first half of its slice, without the two that mark it. */
async function freePorts(host, count, slice, taken = new Set()) {
    const ports = new Set();
    for (let tries = 0; ports.size < count; tries++) {
        if (tries > 1000) {
            fail(`no free ports on ${host}`);
        }
        const port = slice + randomInt(2, PORTS.perSlice / 2);
        const server = taken.has(port) || ports.has(port) ? undefined : await listen(host, port).catch(() => undefined);
        if (server) {
            await closed(server);
            ports.add(port);
        }
    }
    return [...ports];
}

/** Returns free ports for one more server of a bed: those of its servers are taken, whether they run or not. */
function morePorts(dir, count) {
    const records = fs.readdirSync(path.join(dir, "members")).filter(file => file.endsWith(".json"));
    const flags = records.map(file => readJson(path.join(dir, "members", file)).args.join(" ")).join(" ");
    const taken = new Set([...flags.matchAll(/:(\d+)\b/g)].map(found => Number(found[1])));
    return freePorts("127.0.0.1", count, readJson(path.join(dir, "bed.json")).single.port, taken);
}

async function makeCertificates(dir, certs) {
    const config = path.join(dir, "certs", "openssl.cnf");
    // instead of openssl's default configuration file, which adds extensions
    fs.writeFileSync(config, "[req]\ndistinguished_name = name\n[name]\n");
    const create = (certificate, key, name, extensions, issuer = []) =>
        promisify(execFile)("openssl", [
            ..."req -x509 -sha256 -nodes -days 30 -newkey ec -pkeyopt ec_paramgen_curve:P-256".split(" "),
            ...["-config", config, "-subj", `/CN=${name}`, "-out", certificate, "-keyout", key, ...issuer],
            ...extensions.flatMap(extension => ["-addext", extension]),
        ]);
    const authority = (certificate, key, name) =>
        create(certificate, key, name, ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]);
    const caKey = path.join(dir, "certs", "ca.key");
    const otherCaKey = path.join(dir, "certs", "other-ca.key");
    await Promise.all([
        authority(certs.ca, caKey, "test bed CA"),
        authority(certs.other_ca, otherCaKey, "another test bed CA"),
    ]);
    const issuer = (certificate, key) => ["-CA", certificate, "-CAkey", key];
    const leaf = ["basicConstraints=critical,CA:FALSE"];
    const clientUse = [...leaf, "extendedKeyUsage=clientAuth"];
    await Promise.all([
        // etcd's gateway connects to etcd with the server's certificate, hence both uses
        create(
            certs.server,
            certs.server_key,
            "localhost",
            [
                ...leaf,
                "extendedKeyUsage=serverAuth,clientAuth",
                "subjectAltName=DNS:localhost,DNS:etcd.test,IP:127.0.0.1,IP:::1",
            ],
            issuer(certs.ca, caKey),
        ),
        create(certs.client, certs.client_key, "gateway", clientUse, issuer(certs.ca, caKey)),
        create(certs.other_client, certs.other_client_key, "gateway", clientUse, issuer(certs.other_ca, otherCaKey)),
    ]);
}

async function enableAuth(base, { user, password, reader }) {
    const base64 = text => Buffer.from(text).toString("base64");
    const addUser = (name, secret, role) =>
        post(base, "/v3/auth/user/add", { name, password: secret }).then(() =>
            post(base, "/v3/auth/user/grant", { user: name, role }),
        );
    await post(base, "/v3/auth/role/add", { name: "root" });
    await post(base, "/v3/auth/role/add", { name: "reader" });
    await post(base, "/v3/auth/role/grant", {
        name: "reader",
        perm: { permType: "READ", key: base64("/readable/"), range_end: base64("/readable0") },
    });
    await addUser(user, password, "root");
    await addUser(reader.user, reader.password, "reader");
    await post(base, "/v3/auth/enable", {});
}

/** Returns 1 for grpc-gateway v1, whose error bodies have the key "error", or 2 for v2. The version does not determine it. */
async function dialectOf(base) {
    const { body } = await request("POST", `${base}/v3/lease/revoke`, { body: { ID: "1" } });
    return JSON.parse(body).error === undefined ? 2 : 1;
}

/** Returns the flags that all servers have. */
async function commonFlags(dir, command) {
    const { stdout, stderr } = await promisify(execFile)(command, ["--help"]);
    const has = flag => (stdout + stderr).includes(flag);
    return [
        ...(has("--unsafe-no-fsync") ? ["--unsafe-no-fsync"] : []),
        ...(has("--logger") ? ["--logger=zap"] : []),
        "--log-outputs=stderr",
        "--bcrypt-cost=4",
        `--initial-cluster-token=${path.basename(dir)}-${process.pid}`,
        "--initial-cluster-state=new",
    ];
}

// Commands

async function clear(dir) {
    if (fs.existsSync(dir) && fs.readdirSync(dir).length > 0 && !fs.existsSync(path.join(dir, "members"))) {
        fail(`${dir} is not the directory of a test bed`);
    }
    await killAll(dir);
    fs.rmSync(dir, { recursive: true, force: true });
}

async function up(dir, etcdVersion) {
    await clear(dir);
    const bin = execFileSync(path.join(import.meta.dirname, "fetch-etcd"), [etcdVersion], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "inherit"],
    }).trim();
    const command = path.join(bin, "etcd");
    for (const folder of ["members", "data", "logs", "certs"]) {
        fs.mkdirSync(path.join(dir, folder), { recursive: true });
    }
    const pem = name => path.join(dir, "certs", name);
    const certs = {
        ca: pem("ca.pem"),
        server: pem("server.pem"),
        server_key: pem("server.key"),
        client: pem("client.pem"),
        client_key: pem("client.key"),
        other_ca: pem("other-ca.pem"),
        other_client: pem("other-client.pem"),
        other_client_key: pem("other-client.key"),
    };

    const names = [...PLAIN, ...TLS];
    const { slice, claim } = await takeSlice();
    const ports = [slice, ...(await freePorts("127.0.0.1", names.length * 2 - 1, slice))];
    const clientPort = Object.fromEntries(names.map((name, i) => [name, ports[2 * i]]));
    const peerUrl = Object.fromEntries(names.map((name, i) => [name, `http://127.0.0.1:${ports[2 * i + 1]}`]));
    const urlOf = name => `${TLS.includes(name) ? "https" : "http"}://127.0.0.1:${clientPort[name]}`;
    const [port6] = await freePorts("::1", 1, slice).catch(() => []);

    const common = await commonFlags(dir, command);
    const argsOf = name => {
        const group = CLUSTER.includes(name) ? CLUSTER : [name];
        const listenUrls = [urlOf(name)];
        if (name === "single" && port6 !== undefined) {
            listenUrls.push(`http://[::1]:${port6}`);
        }
        const tls = [`--cert-file=${certs.server}`, `--key-file=${certs.server_key}`];
        return [
            `--name=${name}`,
            dataDirFlag(dir, name),
            ...common,
            `--initial-cluster=${group.map(member => `${member}=${peerUrl[member]}`).join(",")}`,
            `--listen-peer-urls=${peerUrl[name]}`,
            `--initial-advertise-peer-urls=${peerUrl[name]}`,
            `--listen-client-urls=${listenUrls.join(",")}`,
            `--advertise-client-urls=${urlOf(name)}`,
            // for tests of expired tokens
            ...(CLUSTER.includes(name) ? ["--auth-token-ttl=2"] : []),
            ...(TLS.includes(name) ? tls : []),
            ...(name === "mtls" ? ["--client-cert-auth", `--trusted-ca-file=${certs.ca}`] : []),
        ];
    };
    const pids = {};
    const start = async name => {
        const member = startMember(dir, name, { command, args: argsOf(name), url: urlOf(name) });
        pids[name] = member.pid;
        await waitHealthy(dir, member, tlsOptions(certs));
    };

    const auth = {
        http: urlOf("auth"),
        port: clientPort.auth,
        user: "root",
        password: "secret-root",
        reader: { user: "reader", password: "secret-reader" },
    };
    await Promise.all([
        ...["single", ...CLUSTER].map(start),
        start("auth").then(() => enableAuth(auth.http, auth)),
        makeCertificates(dir, certs).then(() => Promise.all(TLS.map(start))),
    ]);
    await closed(claim);

    const { body } = await request("GET", `${urlOf("single")}/version`);
    const endpoint = name => ({ http: urlOf(name), port: clientPort[name] });
    const file = path.join(dir, "bed.json");
    writeJson(file, {
        dir,
        etcd: etcdVersion,
        version: JSON.parse(body).etcdserver,
        etcdctl: path.join(bin, "etcdctl"),
        dialect: await dialectOf(urlOf("single")),
        single: { ...endpoint("single"), ...(port6 === undefined ? {} : { ipv6: `http://[::1]:${port6}` }) },
        auth,
        tls: endpoint("tls"),
        mtls: endpoint("mtls"),
        cluster: {
            http: CLUSTER.map(urlOf),
            members: CLUSTER.map(name => ({ name, ...endpoint(name) })),
        },
        ports: { first: slice + PORTS.perSlice / 2, last: slice + PORTS.perSlice - 1 },
        certs,
        pids,
    });
    return file;
}

function recordOf(dir, name) {
    const file = memberFile(dir, name ?? fail("the name of a server is missing"));
    return fs.existsSync(file) ? readJson(file) : fail(`no server ${name} in ${dir}`);
}

async function signal(dir, name, short) {
    const { pid } = recordOf(dir, name);
    const full = `SIG${short ?? ""}`;
    if (os.constants.signals[full] === undefined) {
        fail(`no such signal: ${short ?? ""}`);
    }
    if (full === "SIGKILL" && isAlive(dir, name, pid)) {
        await killAndWait(dir, name, pid);
    } else if (!sendSignal(dir, name, pid, full)) {
        fail(`${name} does not run`);
    }
}

async function restart(dir, names) {
    const file = path.join(dir, "bed.json");
    const tls = tlsOptions(readJson(file).certs);
    const records = names.map(name => [name, recordOf(dir, name)]);
    await Promise.all(records.map(([name, { pid }]) => killAndWait(dir, name, pid)));
    const members = records.map(([name, record]) => startMember(dir, name, record));
    const bed = readJson(file);
    for (const { name, pid } of members) {
        bed.pids[name] = pid;
    }
    writeJson(file, bed);
    await Promise.all(members.map(member => waitHealthy(dir, member, tls)));
}

/** Sends a request until the cluster accepts it: etcd changes no members until they have been connected for a while. */
async function change(base, route, body) {
    for (const end = Date.now() + START_TIMEOUT_MS; ; await sleep(200)) {
        try {
            return await post(base, route, body);
        } catch (error) {
            if (Date.now() > end) {
                throw error;
            }
        }
    }
}

async function membersOf(base) {
    const { body } = await request("POST", `${base}/v3/cluster/member/list`, { body: {} });
    return JSON.parse(body).members;
}

async function join(dir, name) {
    const { cluster } = readJson(path.join(dir, "bed.json"));
    const { command, args } = recordOf(dir, CLUSTER[0]);
    const [base] = cluster.http;
    const [clientPort, peerPort] = await morePorts(dir, 2);
    const url = `http://127.0.0.1:${clientPort}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    await change(base, "/v3/cluster/member/add", { peerURLs: [peerUrl], isLearner: true });
    const own = {
        "--name": name,
        "--data-dir": path.join(dir, "data", name),
        "--listen-peer-urls": peerUrl,
        "--initial-advertise-peer-urls": peerUrl,
        "--listen-client-urls": url,
        "--advertise-client-urls": url,
        "--initial-cluster-state": "existing",
    };
    const known = args.find(arg => arg.startsWith("--initial-cluster="));
    const all = args.map(arg => {
        const [flag] = arg.split("=", 1);
        return arg === known ? `${known},${name}=${peerUrl}` : flag in own ? `${flag}=${own[flag]}` : arg;
    });
    const { pid } = startMember(dir, name, { command, args: all, url });
    // a learner does not count as healthy
    for (const end = Date.now() + START_TIMEOUT_MS; ; await sleep(20)) {
        // after a snapshot, etcd 3.6 and later publishes its name only with the next log entry: this one changes nothing
        await request("POST", `${base}/v3/lease/revoke`, { body: { ID: "1" } }).catch(() => undefined);
        const answer = await request("GET", `${url}/version`).catch(() => undefined);
        const members = await membersOf(base);
        if (answer?.status === 200 && members.some(member => member.name === name)) {
            return url;
        }
        if (!isAlive(dir, name, pid) || Date.now() > end) {
            fail(`etcd ${name} did not join the cluster`);
        }
    }
}

async function leave(dir, name) {
    const { cluster } = readJson(path.join(dir, "bed.json"));
    const [base] = cluster.http;
    const { pid } = recordOf(dir, name);
    const member = (await membersOf(base)).find(one => one.name === name);
    if (member !== undefined) {
        await change(base, "/v3/cluster/member/remove", { ID: member.ID });
    }
    await killAndWait(dir, name, pid);
    fs.rmSync(memberFile(dir, name));
    fs.rmSync(path.join(dir, "data", name), { recursive: true });
}

/** Starts one more server, in addition to those of `up`; `down` kills it too. */
async function add(dir, name, flags) {
    const { command } = recordOf(dir, "single");
    if (fs.existsSync(memberFile(dir, name ?? fail("the name of a server is missing")))) {
        await killAndWait(dir, name, recordOf(dir, name).pid);
        fs.rmSync(path.join(dir, "data", name), { recursive: true, force: true });
    }
    const [port, peerPort, spare] = await morePorts(dir, 3);
    const scheme = flags.some(flag => flag.startsWith("--cert-file")) ? "https" : "http";
    const url = `${scheme}://127.0.0.1:${port}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const args = [
        `--name=${name}`,
        dataDirFlag(dir, name),
        ...(await commonFlags(dir, command)),
        `--initial-cluster=${name}=${peerUrl}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        ...flags.map(flag => flag.replace("SPARE", spare)),
    ];
    const aside = flags.some(flag => flag.startsWith("--listen-client-http-urls"));
    const member = startMember(dir, name, { command, args, url: aside ? `${scheme}://127.0.0.1:${spare}` : url });
    const tls = tlsOptions(readJson(path.join(dir, "bed.json")).certs);
    await waitHealthy(dir, member, { ...tls, rejectUnauthorized: false }); // with any certificate
    return JSON.stringify({ http: url, port, spare });
}

async function main() {
    const { values, positionals } = parseArgs({
        options: { dir: { type: "string" }, etcd: { type: "string", default: "3.4" } },
        allowPositionals: true,
    });
    const [command, ...rest] = positionals;
    const dir = path.resolve(values.dir ?? fail("--dir is missing"));
    if (command === "up") {
        // an interrupted `up` leaves no process behind either
        for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
            process.once(name, () => killAll(dir).finally(() => process.exit(1)));
        }
        try {
            console.log(await up(dir, values.etcd));
        } catch (error) {
            await killAll(dir);
            throw error;
        }
    } else if (command === "down") {
        await clear(dir);
    } else if (command === "signal") {
        await signal(dir, ...rest);
    } else if (command === "restart") {
        await restart(dir, rest);
    } else if (command === "join") {
        console.log(await join(dir, ...rest));
    } else if (command === "leave") {
        await leave(dir, ...rest);
    } else if (command === "add") {
        console.log(await add(dir, ...rest.slice(0, 1), rest.slice(1)));
    } else {
        fail("usage: bed.mjs up|down|signal|restart|join|leave|add --dir DIR ...");
    }
}

main().then(
    () => process.exit(0),
    error => {
        console.error(`bed: ${error.message}`);
        process.exit(1);
    },
);
