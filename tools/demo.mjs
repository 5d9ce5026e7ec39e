// The demo: a private etcd, an nginx that reads its routes from etcd (examples/gateway), and typical operations.
// With --serve both keep running. All of it is on free ports of the loopback interface and in a temporary folder, and is
// stopped and removed when this process exits.

import path from "node:path";
import { ask, dir, etcdctl, freePort, run, startEtcd, startNginx, waitFor } from "./sandbox.mjs";

async function startGateway(etcd) {
    const ports = { PORT: await freePort(), BLUE: await freePort(), GREEN: await freePort() };
    startNginx(etcd, "examples/gateway/nginx.conf.in", ports);
    const url = `http://127.0.0.1:${ports.PORT}`;
    await waitFor("nginx", async () => (await fetch(url)).status === 404);
    return { url, blue: `127.0.0.1:${ports.BLUE}`, green: `127.0.0.1:${ports.GREEN}` };
}

async function settles(gateway, uri, wanted) {
    const started = Date.now();
    // both workers must have the change: ten responses in a row
    let row = 0;
    let first = 0;
    await waitFor(`the response "${wanted}" to ${uri}`, async () => {
        const answer = await ask(gateway.url + uri);
        row = answer.includes(wanted) ? row + 1 : 0;
        first = row === 1 ? Date.now() : first;
        return row >= 10;
    });
    console.log(`  GET ${uri} -> ${await ask(gateway.url + uri)}   (after ${first - started} ms, no reload)`);
}

async function show(etcd, gateway) {
    console.log("\n1. A tour of the driver, in an nginx content phase");
    console.log((await (await fetch(`${gateway.url}/tour`)).text()).trimEnd());

    console.log("\n2. A gateway that reads its routes from etcd and looks them up in the access phase");
    const put = (key, upstream, ...args) => {
        const route = JSON.stringify({ path: "/shop", upstream });
        console.log(`  etcdctl put ${key} '${route}'`);
        etcdctl(etcd, "put", ...args, key, route);
    };
    console.log(`  GET /shop/1 -> ${await ask(`${gateway.url}/shop/1`)}`);
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

    console.log("\n3. A route that is attached to a lease");
    const lease = /lease (\w+) granted/.exec(etcdctl(etcd, "lease", "grant", "2"))[1];
    put("/routes/canary", gateway.blue, `--lease=${lease}`);
    await settles(gateway, "/shop/1", "blue answers");
    await settles(gateway, "/shop/1", "no route");
}

await run(async () => {
    const etcd = await startEtcd();
    const gateway = await startGateway(etcd);
    console.log(`etcd on ${etcd.url}, nginx on ${gateway.url}`);
    if (process.argv.includes("--serve")) {
        const route = JSON.stringify({ path: "/shop", upstream: gateway.blue });
        etcdctl(etcd, "put", "/routes/shop", route);
        console.log(`
  curl ${gateway.url}/shop/1
  ETCDCTL_API=3 ${path.relative(process.cwd(), etcd.etcdctl)} --endpoints=${etcd.url} put /routes/shop '${route}'
  curl ${gateway.url}/tour

upstreams: blue ${gateway.blue}, green ${gateway.green}; log: ${dir}/error.log
Press Ctrl-C to stop.`);
        await new Promise(() => setInterval(() => {}, 1 << 30));
    }
    await show(etcd, gateway);
    console.log("\nThe demo succeeded.");
});
