// The packages: the rock, `make install` and npm, and the module that they install.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";

const root = path.resolve(import.meta.dirname, "../..");
const rockspec = path.join(root, "rockspec/lua-resty-etcd-2.0.0-1.rockspec");
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "packaging."));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

const run = (command, args, options = {}) => execFileSync(command, args, { cwd: root, encoding: "utf8", ...options });

function luaFiles(dir) {
    return fs
        .readdirSync(dir, { recursive: true })
        .filter(name => name.endsWith(".lua"))
        .sort();
}

/** Returns the output of a program in nginx that requires the module from `tree`. */
function versionFrom(tree) {
    const script = path.join(scratch, "version.lua");
    fs.writeFileSync(
        script,
        `local etcd = require "resty.etcd"
        local where = package.searchpath and package.searchpath("resty.etcd", package.path) or ""
        assert(etcd.new { transport = "cosocket" })
        assert(require "resty.etcd.health_check".get_check_mode() == "round_robin")
        print(etcd._VERSION, debug.getinfo(etcd.new, "S").source, where)`,
    );
    const env = { ...process.env, RESTY_LUA_PATH: `${tree}/?.lua` };
    return run(path.join(root, "tools/resty-run"), [script], { env });
}

test("the rockspec lists every module and nothing else", () => {
    const text = fs.readFileSync(rockspec, "utf8");
    const listed = [...text.matchAll(/\["([\w.]+)"\] = "lua\/([\w/]+\.lua)"/g)];
    assert.deepEqual(listed.map(match => match[2]).sort(), luaFiles(path.join(root, "lua")));
    for (const [, module, file] of listed) {
        assert.equal(module, file.replace(/\.lua$/, "").replaceAll("/", "."));
    }
});

test("the version is the same everywhere", () => {
    const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
    assert.match(rockspec, new RegExp(`-${version}-1\\.rockspec$`));
    assert.match(fs.readFileSync(rockspec, "utf8"), new RegExp(`version = "${version}-1"`));
    assert.match(fs.readFileSync(path.join(root, "src/resty/etcd.ts"), "utf8"), new RegExp(`VERSION = "${version}"`));
    assert.match(fs.readFileSync(path.join(root, "CHANGELOG.md"), "utf8"), new RegExp(`## ${version}`));
});

test("luarocks makes a working module in an empty tree", () => {
    const tree = path.join(scratch, "rocks");
    run("luarocks", ["--lua-version=5.1", "make", "--deps-mode=none", `--tree=${tree}`, rockspec]);
    const installed = path.join(tree, "share/lua/5.1");
    assert.deepEqual(luaFiles(installed), luaFiles(path.join(root, "lua")));
    assert.ok(versionFrom(installed).includes(`@${installed}/resty/etcd/client/client.lua`));
});

test("make install copies every file to LUA_LIB_DIR below DESTDIR", () => {
    const target = path.join(scratch, "dest");
    run("make", ["-s", "install", `DESTDIR=${target}`, "PREFIX=/opt/x"]);
    const installed = path.join(target, "opt/x/share/lua/5.1");
    assert.deepEqual(luaFiles(installed), luaFiles(path.join(root, "lua")));
    assert.ok(versionFrom(installed).includes(`@${installed}/resty/etcd/client/client.lua`));
    run("make", ["-s", "install", `LUA_LIB_DIR=${scratch}/lib`]);
    assert.deepEqual(luaFiles(path.join(scratch, "lib")), luaFiles(path.join(root, "lua")));
});

test("the npm package holds the Lua and the declarations of every module", () => {
    // a build here would replace lua/ while specs run
    assert.ok(fs.existsSync(path.join(root, "build/types")), "npm run build comes first");
    const packed = JSON.parse(run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { stdio: "pipe" }));
    const files = (Array.isArray(packed) ? packed[0] : Object.values(packed)[0]).files.map(file => file.path);
    for (const file of luaFiles(path.join(root, "lua"))) {
        assert.ok(files.includes(`lua/${file}`), file);
        assert.ok(files.includes(`build/types/${file.replace(/\.lua$/, ".d.ts")}`), file);
    }
    assert.ok(files.includes("types/result.d.ts"));
    assert.ok(!files.some(file => /^(spec|tools|t|bench|src)\//.test(file)));
});

test("the generated Lua keeps out of what only nginx's http subsystem has", () => {
    for (const file of luaFiles(path.join(root, "lua"))) {
        const code = fs.readFileSync(path.join(root, "lua", file), "utf8");
        assert.doesNotMatch(code, /ngx\.(var|req|ctx|header|say|print|exit|location)\b/, file);
        assert.doesNotMatch(code, /__TS__|lualib_bundle/, file);
    }
});

test("nothing in the tree names a machine's paths or a registry's host", () => {
    const pattern = String.raw`(^|[^a-zA-Z0-9_./-])/(work|root|farm)/|deb\.debian\.org|registry\.npmjs|proxy\.golang`;
    const files = ["--", ":!package-lock.json", ":!tools/checks"];
    const { stdout } = spawnSync("git", ["grep", "-nIE", pattern, ...files], { cwd: root, encoding: "utf8" });
    assert.equal(stdout, "");
});
