// The sandbox of the demo and the examples: a private etcd and an nginx, on free ports of the loopback interface and in a
// temporary folder. All of it is stopped and removed when the process exits.

import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const root = path.resolve(import.meta.dirname, "..");
const dir = fs.mkdtempSync(path.join(os.tmpdir(), "resty-etcd-demo."));
const children = [];

function cleanUp() {
    for (const child of children) {
        child.kill("SIGTERM"); // after SIGKILL of the master, nginx's workers would keep running
    }
    fs.rmSync(dir, { recursive: true, force: true });
}

async function freePort() {
    for (;;) {
        const port = 10000 + Math.floor(Math.random() * 10000); // test beds have those above
        const server = net.createServer();
        const free = await new Promise(resolve => {
            server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
        });
        if (free) {
            await new Promise(resolve => server.close(resolve));
            return port;
        }
    }
}

/** Starts a program that must run until the demo ends. */
function start(command, args, options = {}) {
    const log = fs.openSync(path.join(dir, `${path.basename(command)}.log`), "a");
    const child = spawn(command, args, { stdio: ["ignore", log, log], ...options });
    child.once("exit", (code, signal) => {
        if (!children.ending && !child.expected) {
            console.error(`${command} ended (${code ?? signal}):`);
            console.error(fs.readFileSync(path.join(dir, `${path.basename(command)}.log`), "utf8").slice(-2000));
            cleanUp();
            process.exit(1);
        }
    });
    children.push(child);
    return child;
}

async function waitFor(what, check) {
    const end = Date.now() + 20_000;
    while (Date.now() < end) {
        const result = await check().catch(() => undefined);
        if (result !== undefined && result !== false) {
            return result;
        }
        await sleep(20);
    }
    throw new Error(`timeout while waiting for ${what}`);
}

async function startEtcd(version = "3.4") {
    const bin = execFileSync(path.join(root, "tools/fetch-etcd"), [version], { encoding: "utf8" }).trim();
    const [client, peer] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ETCD")));
    const args = [
        `--data-dir=${dir}/etcd`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        "--logger=zap",
        "--log-outputs=stderr",
    ];
    start(path.join(bin, "etcd"), args, { env });
    await waitFor("etcd", async () => (await fetch(`${url}/health`)).ok);
    return { url, etcdctl: path.join(bin, "etcdctl") };
}

/** Replaces the @NAMES@ of an nginx.conf of examples/ and starts nginx with it. */
function startNginx(etcd, template, values) {
    const modules = process.env.RESTY_MODULES ?? "/usr/lib/nginx/modules";
    const load = ["ndk_http_module.so", "ngx_http_lua_module.so"].map(name => path.join(modules, name));
    const all = {
        ...values,
        DIR: dir,
        ROOT: root,
        ETCD: etcd.url,
        LOAD_MODULES: fs.existsSync(load[1]) ? load.map(file => `load_module ${file};`).join("\n") : "",
        USER: process.getuid() === 0 ? "user root;" : "",
    };
    const text = fs.readFileSync(path.join(root, template), "utf8");
    const conf = path.join(dir, "nginx.conf");
    fs.writeFileSync(
        conf,
        text.replace(/@(\w+)@/g, (name, key) => all[key] ?? name),
    );
    return start(process.env.RESTY_NGINX ?? "nginx", ["-p", dir, "-c", conf, "-e", `${dir}/error.log`], {
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
}

/** Stops a program that was started to run until the end. */
async function stop(child) {
    child.expected = true;
    child.kill("SIGTERM");
    await new Promise(resolve => child.once("exit", resolve));
}

/** Runs etcdctl: another client that changes the configuration. */
function etcdctl(etcd, ...args) {
    return execFileSync(etcd.etcdctl, [`--endpoints=${etcd.url}`, ...args], {
        encoding: "utf8",
        env: { ...process.env, ETCDCTL_API: "3" },
    }).trim();
}

async function ask(url) {
    const response = await fetch(url);
    return `${response.status} ${(await response.text()).trim()}`;
}

/** Runs `body`, and stops and removes everything afterwards. */
async function run(body) {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
        process.on(signal, () => {
            children.ending = true;
            cleanUp();
            process.exit(0);
        });
    }
    try {
        await body();
    } catch (error) {
        console.error(error.message);
        process.exitCode = 1;
    } finally {
        children.ending = true;
        cleanUp();
    }
}

export { ask, dir, etcdctl, freePort, run, start, startEtcd, startNginx, stop, waitFor };
