// Runs the examples one after the other, each in its own nginx with a private etcd, and checks their responses.
//   node tools/examples.mjs [router] [config_store] [discovery]

import assert from "node:assert/strict";
import http from "node:http";
import { etcdctl, freePort, run, startEtcd, startNginx, stop, waitFor } from "./sandbox.mjs";

/** Sends a request with a chosen Host header, which fetch does not allow. */
function ask(port, uri, { host = "localhost", method = "GET", body } = {}) {
    return new Promise((resolve, reject) => {
        const request = http.request({ port, path: uri, method, headers: { Host: host }, agent: false }, response => {
            let text = "";
            response.setEncoding("utf8").on("data", chunk => (text += chunk));
            response.on("end", () => {
                const { headers } = response;
                resolve({ status: response.statusCode, text: text.trim(), headers });
            });
        });
        request.on("error", reject).end(body);
    });
}

const show = (what, answer) => console.log(`  ${what} -> ${answer.status} ${answer.text.split("\n")[0].slice(0, 60)}`);

/** Waits until every worker gives the expected response: ten times in a row. */
async function settles(port, uri, options, status, text = "") {
    let row = 0;
    const answer = await waitFor(`the response ${status} ${text} to ${uri}`, async () => {
        const got = await ask(port, uri, options);
        row = got.status === status && got.text.includes(text) ? row + 1 : 0;
        return row >= 10 && got;
    });
    show(`${options.method ?? "GET"} ${options.host ?? ""}${uri}`, answer);
    return answer;
}

function put(etcd, key, value, ...args) {
    console.log(`  etcdctl put ${key} '${value}'`);
    etcdctl(etcd, "put", ...args, key, value);
}

async function router(etcd, ports) {
    const blue = `127.0.0.1:${ports.BLUE}`;
    const green = `127.0.0.1:${ports.GREEN}`;
    const shop = { host: "shop.example" };
    await settles(ports.PORT, "/cart/1", shop, 404);
    put(etcd, "/routes/1", JSON.stringify({ hosts: ["shop.example"], uri: "/cart/*", upstream: blue }));
    await settles(ports.PORT, "/cart/1", shop, 200, "blue answers /cart/1");
    await settles(ports.PORT, "/cart/1", { host: "other.example" }, 404);
    put(etcd, "/routes/2", JSON.stringify({ uri: "/cart/1", methods: ["GET"], priority: 1, upstream: green }));
    await settles(ports.PORT, "/cart/1", { host: "other.example" }, 200, "green");
    await settles(ports.PORT, "/cart/1", { host: "other.example", method: "POST" }, 404);
    await settles(ports.PORT, "/cart/1", shop, 200, "blue"); // routes with a host come first
    put(etcd, "/routes/1", JSON.stringify({ hosts: ["shop.example"], uri: "cart" }));
    await settles(ports.PORT, "/status", {}, 200, "uri must begin with");
    await settles(ports.PORT, "/cart/1", shop, 200, "blue"); // the last good one
    const { state } = JSON.parse((await ask(ports.PORT, "/status")).text);
    assert.deepEqual([state.version, state.count, state.invalid], [3, 2, 1]);
    put(etcd, "/routes/1", JSON.stringify({ hosts: ["shop.example"], uri: "/cart/*", upstream: green }));
    const answer = await settles(ports.PORT, "/cart/1", shop, 200, "green");
    assert.equal(answer.headers["x-route"], "/routes/1");
    etcdctl(etcd, "del", "/routes/", "--prefix");
    await settles(ports.PORT, "/cart/1", shop, 404);
}

async function config_store(etcd, { PORT }) {
    await settles(PORT, "/", {}, 200, "hello");
    const first = await ask(PORT, "/config/greeting?if_revision=0", { method: "PUT", body: '{"text":"good day"}' });
    show("PUT /config/greeting?if_revision=0", first);
    assert.equal(first.status, 200);
    const { revision } = JSON.parse(first.text);
    await settles(PORT, "/", {}, 200, "good day");
    const again = await ask(PORT, "/config/greeting?if_revision=0", { method: "PUT", body: '{"text":"late"}' });
    show("PUT /config/greeting?if_revision=0", again);
    assert.equal(again.status, 409);
    const uri = `/config/greeting?if_revision=${revision}`;
    assert.equal((await ask(PORT, uri, { method: "PUT", body: '{"text":"good night"}' })).status, 200);
    await settles(PORT, "/", {}, 200, "good night");
    await settles(PORT, `/config/greeting?revision=${revision}`, {}, 200, "good day");
    await settles(PORT, "/config/none", {}, 404, "no such document");
    put(etcd, "/config/greeting", "good");
    await settles(PORT, "/config/greeting", {}, 200, "decode");
    await settles(PORT, "/", {}, 200, "good night"); // the last good one
    const late = await ask(PORT, uri, { method: "PUT", body: '{"text":"hello again"}' });
    show(`PUT ${uri}`, late);
    assert.equal(late.status, 409);
    const newest = JSON.parse(late.text).revision;
    await settles(PORT, `/config/greeting?revision=${newest}`, {}, 422, "decode");
    await settles(PORT, "/config/greeting?revision=999999", {}, 404, "future revision");
    await settles(PORT, "/config/greeting?revision=x", {}, 400, "revision must be a revision");
    const valid = { method: "PUT", body: '{"text":"hello again"}' };
    assert.equal((await ask(PORT, `/config/greeting?if_revision=${newest}`, valid)).status, 200);
    await settles(PORT, "/", {}, 200, "hello again");
    put(etcd, "/config/broken", "good");
    await settles(PORT, "/config/broken", {}, 422, "decode");
    put(etcd, "/config/log", '{"level":"debug"}');
    await waitFor("the header", async () => (await ask(PORT, "/")).headers["x-level"] === "debug");
    put(etcd, "/config/maintenance", "true");
    await settles(PORT, "/", {}, 503);
}

async function discovery(etcd, ports, nginx) {
    const counts = async () => {
        const seen = { blue: 0, green: 0 };
        for (let i = 0; i < 200; i++) {
            seen[(await ask(ports.PORT, "/")).text]++;
        }
        console.log(`  200 requests: ${seen.blue} to blue, ${seen.green} to green`);
        return seen;
    };
    const keys = () => etcdctl(etcd, "get", "/services/", "--prefix", "--keys-only").split(/\s+/).filter(Boolean);
    await waitFor("two registrations", async () => keys().length === 2);
    for (const name of ["blue", "green"]) {
        await waitFor(name, async () => (await ask(ports.PORT, "/")).text === name);
    }
    const seen = await counts();
    assert.ok(seen.blue > seen.green && seen.green > 10, "by weight");
    console.log("  blue closes its registration");
    await ask(ports.PORT, "/leave/blue");
    await waitFor("the end of blue's registration", async () => keys().length === 1);
    await waitFor("the front", async () => {
        const { blue, green } = await counts();
        return blue === 0 && green === 200;
    });
    nginx.expected = true;
    nginx.kill("SIGQUIT");
    await waitFor("the end of the exiting worker's registration", async () => keys().length === 0);
    console.log("  nginx quits: its registrations are revoked");
}

const EXAMPLES = { router, config_store, discovery };

await run(async () => {
    const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(EXAMPLES);
    const etcd = await startEtcd();
    for (const name of wanted) {
        console.log(`examples/${name}`);
        const ports = { PORT: await freePort(), BLUE: await freePort(), GREEN: await freePort() };
        const nginx = startNginx(etcd, `examples/${name}/nginx.conf.in`, ports);
        await waitFor("nginx", async () => (await ask(ports.PORT, "/none")).status > 0);
        await EXAMPLES[name](etcd, ports, nginx);
        if (nginx.exitCode === null) {
            await stop(nginx);
        }
        console.log(`examples/${name} succeeded.\n`);
    }
});
