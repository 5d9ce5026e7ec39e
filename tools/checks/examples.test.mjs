// The examples run and give the expected responses: tools/examples.mjs checks them.

import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

const root = path.resolve(import.meta.dirname, "../..");

for (const name of ["router", "config_store", "discovery"]) {
    test(`examples/${name} gives the expected responses`, () => {
        execFileSync(process.execPath, ["tools/examples.mjs", name], {
            cwd: root,
            stdio: ["ignore", "ignore", "inherit"],
        });
    });
}
