// Measures the default of `keepalive_pool` against the smaller pool of 32, with a private etcd (bench/keepalive_pool.lua).
//   node tools/bench_keepalive_pool.mjs [SECONDS] [ROUNDS]

import { spawnSync } from "node:child_process";
import path from "node:path";
import { run, startEtcd } from "./sandbox.mjs";

const root = path.resolve(import.meta.dirname, "..");

await run(async () => {
    const etcd = await startEtcd("3.5");
    const env = { ...process.env, BENCH_ETCD: etcd.url };
    const args = ["bench/keepalive_pool.lua", ...process.argv.slice(2)];
    const { status } = spawnSync(path.join(root, "tools/resty-run"), args, { cwd: root, env, stdio: "inherit" });
    if (status !== 0) {
        throw new Error("bench/keepalive_pool.lua failed");
    }
});
