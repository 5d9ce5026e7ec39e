// The demo: a private etcd, an nginx whose routes live in it (examples/gateway), and what a user would try.
// With --serve both stay up to play with. All of it is on free ports of the loopback interface and in a
// temporary folder; it ends with this process.

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
        child.kill("SIGTERM"); // nginx's workers would outlive a killed master
    }
    fs.rmSync(dir, { recursive: true, force: true });
}

async function freePort() {
    for (;;) {
        const port = 20000 + Math.floor(Math.random() * 12000);
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

/** Starts a program that must not end before the demo does. */
function start(command, args, options = {}) {
    const log = fs.openSync(path.join(dir, `${path.basename(command)}.log`), "a");
    const child = spawn(command, args, { stdio: ["ignore", log, log], ...options });
    child.once("exit", (code, signal) => {
        if (!children.ending) {
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
    throw new Error(`waited in vain for ${what}`);
}

async function startEtcd() {
    const bin = execFileSync(path.join(root, "tools/fetch-etcd"), ["3.4"], { encoding: "utf8" }).trim();
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

async function startNginx(etcd) {
    const ports = { PORT: await freePort(), BLUE: await freePort(), GREEN: await freePort() };
    const modules = process.env.RESTY_MODULES ?? "/usr/lib/nginx/modules";
    const load = ["ndk_http_module.so", "ngx_http_lua_module.so"].map(name => path.join(modules, name));
    const values = {
        ...ports,
        DIR: dir,
        ROOT: root,
        ETCD: etcd.url,
        LOAD_MODULES: fs.existsSync(load[1]) ? load.map(file => `load_module ${file};`).join("\n") : "",
        USER: process.getuid() === 0 ? "user root;" : "",
    };
    const template = fs.readFileSync(path.join(root, "examples/gateway/nginx.conf.in"), "utf8");
    const conf = path.join(dir, "nginx.conf");
    fs.writeFileSync(
        conf,
        template.replace(/@(\w+)@/g, (text, name) => values[name] ?? text),
    );
    start(process.env.RESTY_NGINX ?? "nginx", ["-p", dir, "-c", conf, "-e", `${dir}/error.log`], {
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
    const url = `http://127.0.0.1:${ports.PORT}`;
    await waitFor("nginx", async () => (await fetch(url)).status === 404);
    return { url, blue: `127.0.0.1:${ports.BLUE}`, green: `127.0.0.1:${ports.GREEN}` };
}

/** Writes with etcd's own tool: somebody else changes the configuration. */
function etcdctl(etcd, ...args) {
    return execFileSync(etcd.etcdctl, [`--endpoints=${etcd.url}`, ...args], {
        encoding: "utf8",
        env: { ...process.env, ETCDCTL_API: "3" },
    }).trim();
}

async function ask(gateway, uri) {
    const response = await fetch(gateway.url + uri);
    return `${response.status} ${(await response.text()).trim()}`;
}

async function settles(gateway, uri, wanted) {
    const started = Date.now();
    // both workers must have seen it: several answers in a row
    let row = 0;
    let first = 0;
    await waitFor(`${uri} to answer ${wanted}`, async () => {
        const answer = await ask(gateway, uri);
        row = answer.includes(wanted) ? row + 1 : 0;
        first = row === 1 ? Date.now() : first;
        return row >= 10;
    });
    console.log(`  GET ${uri} -> ${await ask(gateway, uri)}   (after ${first - started} ms, no reload)`);
}

async function show(etcd, gateway) {
    console.log("\n1. A tour of the driver, in an nginx content phase");
    console.log((await (await fetch(`${gateway.url}/tour`)).text()).trimEnd());

    console.log("\n2. A gateway whose routes live in etcd, looked up in the access phase");
    const put = (key, upstream, ...args) => {
        const route = JSON.stringify({ path: "/shop", upstream });
        console.log(`  etcdctl put ${key} '${route}'`);
        etcdctl(etcd, "put", ...args, key, route);
    };
    console.log(`  GET /shop/1 -> ${await ask(gateway, "/shop/1")}`);
    put("/routes/shop", gateway.blue);
    await settles(gateway, "/shop/1", "blue answers");
    put("/routes/shop", gateway.green);
    await settles(gateway, "/shop/1", "green answers");
    console.log("  etcdctl put /routes/shop 'nonsense'");
    etcdctl(etcd, "put", "/routes/shop", "nonsense");
    await settles(gateway, "/shop/1", "green answers");
    console.log("  etcdctl del /routes/shop");
    etcdctl(etcd, "del", "/routes/shop");
    await settles(gateway, "/shop/1", "no route");

    console.log("\n3. A route that lives as long as its lease");
    const lease = /lease (\w+) granted/.exec(etcdctl(etcd, "lease", "grant", "2"))[1];
    put("/routes/canary", gateway.blue, `--lease=${lease}`);
    await settles(gateway, "/shop/1", "blue answers");
    await settles(gateway, "/shop/1", "no route");
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
        children.ending = true;
        cleanUp();
        process.exit(0);
    });
}
try {
    const etcd = await startEtcd();
    const gateway = await startNginx(etcd);
    console.log(`etcd on ${etcd.url}, nginx on ${gateway.url}`);
    if (process.argv.includes("--serve")) {
        const route = JSON.stringify({ path: "/shop", upstream: gateway.blue });
        etcdctl(etcd, "put", "/routes/shop", route);
        console.log(`
  curl ${gateway.url}/shop/1
  ETCDCTL_API=3 ${path.relative(process.cwd(), etcd.etcdctl)} --endpoints=${etcd.url} put /routes/shop '${route}'
  curl ${gateway.url}/tour

upstreams: blue ${gateway.blue}, green ${gateway.green}; log: ${dir}/error.log
Ctrl-C ends it.`);
        await new Promise(() => setInterval(() => {}, 1 << 30));
    }
    await show(etcd, gateway);
    console.log("\nThe demo went well.");
    children.ending = true;
} catch (error) {
    console.error(error.message);
    process.exitCode = 1;
    children.ending = true;
} finally {
    cleanUp();
}
