// The examples run, and answer what they should: tools/examples.mjs checks that.

import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

const root = path.resolve(import.meta.dirname, "../..");

for (const name of ["router", "config_center", "discovery"]) {
    test(`examples/${name} does what it says`, () => {
        execFileSync(process.execPath, ["tools/examples.mjs", name], {
            cwd: root,
            stdio: ["ignore", "ignore", "inherit"],
        });
    });
}
