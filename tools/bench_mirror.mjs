// Measures mirrors with a private etcd: in one worker (bench/mirror.lua), and with four workers the time from a put until
// each of them has the change.
//   node tools/bench_mirror.mjs [MODE]      mode of the mirrors of the four workers; default worker

import { spawnSync } from "node:child_process";
import path from "node:path";
import { freePort, run, startEtcd, startNginx, waitFor } from "./sandbox.mjs";

const root = path.resolve(import.meta.dirname, "..");
const mode = process.argv[2] ?? "worker";

await run(async () => {
    const etcd = await startEtcd();
    const port = await freePort();
    startNginx(etcd, "bench/visible.conf.in", { PORT: port, MODE: mode });
    await waitFor("all workers", async () => (await fetch(`http://127.0.0.1:${port}/ready`)).status === 204);
    await fetch(`http://127.0.0.1:${port}/puts?n=100`); // warm-up
    console.log(`mode = "${mode}"`);
    console.log((await (await fetch(`http://127.0.0.1:${port}/puts?n=2000`)).text()).trim());
    if (mode === "worker") {
        const env = { ...process.env, BENCH_ETCD: etcd.url, RESTY_HTTP_CONF: "lua_shared_dict bench 128m;" };
        spawnSync(path.join(root, "tools/resty-run"), ["bench/mirror.lua"], { cwd: root, env, stdio: "inherit" });
    }
});
