// The documentation agrees with the code: paths and links lead somewhere, examples are valid Lua, and the tables of
// options, fields and methods have exactly those that the code has.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";

const root = path.resolve(import.meta.dirname, "../..");
const modules = path.join(root, "src/resty/etcd");
const read = file => fs.readFileSync(path.join(root, file), "utf8");
const exists = file => fs.existsSync(path.join(root, file));

const pages = execFileSync("git", ["ls-files", "--", "*.md"], { cwd: root, encoding: "utf8" })
    .split("\n")
    .filter(file => file && !file.includes("node_modules"));

/** Returns the text of a page below a heading, up to the next heading of any level. */
function section(page, title) {
    const [, after] = read(page).split(`\n${title}\n`);
    assert.ok(after !== undefined, `${page} has no heading "${title}"`);
    return after.split(/^#+ /m)[0];
}

/** Returns the names between backticks in the first column of the tables of options and fields in a text. */
function rows(text) {
    const tables = text.matchAll(/^\| (?:option|field) +\|.*\n\|[-| ]+\|\n((?:\|.*\n)*)/gm);
    return [...tables].flatMap(([, body]) =>
        [...body.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell]) =>
            [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
        ),
    );
}

/** Returns the names of the members of an interface or of an object literal, those that it extends included. */
function members(file, name) {
    const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
    let found;
    const visit = node => {
        if (ts.isInterfaceDeclaration(node) && node.name.text === name) {
            const bases = (node.heritageClauses ?? []).flatMap(clause => clause.types);
            const inherited = bases.flatMap(base => members(file, base.expression.getText()) ?? []);
            found = [...inherited, ...node.members.map(member => member.name.getText())];
        } else if (ts.isVariableDeclaration(node) && node.name.getText() === name && node.initializer) {
            found = (node.initializer.properties ?? []).map(property => property.name.getText());
        }
        ts.forEachChild(node, visit);
    };
    visit(source);
    return found;
}

test("the paths that the pages name exist", () => {
    const folders = [root, modules].flatMap(folder =>
        fs.readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()),
    );
    const known = new Set(folders.map(entry => entry.name).filter(name => name !== "node_modules" && name !== "build"));
    const missing = [];
    for (const page of pages) {
        for (const [, span] of read(page).matchAll(/`([\w.-]+\/[\w./-]*)`/g)) {
            const places = [span, `src/resty/etcd/${span}`, `src/resty/etcd/${span}.ts`];
            if (known.has(span.split("/")[0]) && !places.some(exists)) {
                missing.push(`${page}: ${span}`);
            }
        }
    }
    assert.deepEqual(missing, []);
});

test("the links between pages lead somewhere", () => {
    const anchors = file => {
        const text = read(file);
        const seen = new Map();
        const titles = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) => {
            const anchor = title
                .toLowerCase()
                .replace(/[^\w -]/g, "")
                .replaceAll(" ", "-");
            seen.set(anchor, (seen.get(anchor) ?? -1) + 1);
            return seen.get(anchor) > 0 ? `${anchor}-${seen.get(anchor)}` : anchor;
        });
        return new Set([...titles, ...[...text.matchAll(/<a id="([\w-]+)">/g)].map(match => match[1])]);
    };
    const broken = [];
    for (const page of pages) {
        for (const [, file, anchor] of read(page).matchAll(/\]\(((?!https?:)[^)#]*)(?:#([\w-]+))?\)/g)) {
            const target = file ? path.join(path.dirname(page), file) : page;
            if (!exists(target) || (anchor && !anchors(target).has(anchor))) {
                broken.push(`${page}: ${file}#${anchor ?? ""}`);
            }
        }
    }
    assert.deepEqual(broken, []);
});

/** Returns the Lua examples of a page, those inside blocks of nginx's configuration included. */
function examples(page) {
    const found = [];
    for (const [, language, code] of read(page).matchAll(/^```(lua|nginx)\n([\s\S]*?)^```$/gm)) {
        if (language === "lua") {
            found.push(code);
            continue;
        }
        for (const { index, 0: opening } of code.matchAll(/_by_lua_block \{/g)) {
            const start = index + opening.length;
            let end = start;
            for (let depth = 1; depth > 0 && end < code.length; end++) {
                depth += code[end] === "{" ? 1 : code[end] === "}" ? -1 : 0;
            }
            found.push(code.slice(start, end - 1));
        }
    }
    return found;
}

/** Names that the examples use without a definition: the pages introduce them. */
const INTRODUCED = ["cli", "compare", "etcd", "key", "revision", "routes", "value"];

test("the examples are valid Lua and define what they use", () => {
    let count = 0;
    for (const page of pages) {
        for (const code of examples(page)) {
            count += 1;
            const args = [
                "--no-config",
                "--std",
                "ngx_lua",
                "--no-unused",
                "--no-redefined",
                "--ignore",
                "6..",
                "--codes",
            ];
            const { stdout, status } = spawnSync("luacheck", [...args, "--globals", ...INTRODUCED, "--", "-"], {
                input: code,
                encoding: "utf8",
            });
            assert.ok(status === 0, `${page}:\n${code}\n${stdout}`);
        }
    }
    assert.ok(count > 15, `${count} examples`);
});

test("the methods that the pages and examples call exist", () => {
    const methods = {
        cli: members("src/resty/etcd/client/client.ts", "methods"),
        w: members("src/resty/etcd/watcher/watcher.ts", "methods"),
        m: members("src/resty/etcd/mirror/mirror.ts", "methods"),
        routes: members("src/resty/etcd/mirror/mirror.ts", "methods"),
        conf: members("src/resty/etcd/config.ts", "methods"),
        disco: members("src/resty/etcd/discovery.ts", "methods"),
        reg: members("src/resty/etcd/discovery/registration.ts", "methods"),
    };
    const documented = new Set();
    for (const page of pages) {
        for (const [call, object, name] of read(page).matchAll(/\b(cli|w|m|routes|conf|disco|reg):(\w+)/g)) {
            assert.ok(methods[object].includes(name), `${page}: ${call}`);
            documented.add(`${object}:${name}`);
        }
    }
    for (const [object, names] of Object.entries(methods).filter(([object]) => object !== "routes")) {
        for (const name of names) {
            assert.ok(documented.has(`${object}:${name}`), `no page mentions ${object}:${name}`);
        }
    }
});

test("the tables have the options and fields that the code has", () => {
    const api = "docs/api.md";
    const mirrors = "docs/mirrors.md";
    for (const [page, titles, ...interfaces] of [
        [api, ["### Options", "### TLS"], "client/options.ts Options"],
        [api, ["### Health, retries and budgets"], "endpoint/client_health.ts HealthOptions"],
        [api, ["### DNS names"], "endpoint/resolver.ts ResolveOptions"],
        [api, ["### Metrics"], "metrics/call_metrics.ts CallInfo", "metrics/call_metrics.ts RpcStats"],
        [api, ["### get"], "api/kv.ts GetOptions"],
        [api, ["### set"], "api/kv.ts SetOptions"],
        [api, ["### delete"], "api/kv.ts DeleteOptions"],
        [api, ["### watch"], "api/kv.ts CallOptions", "api/watch.ts WatchOptions"],
        [api, ["### the reader"], "api/watch.ts WatchResult"],
        [api, ["### watcher"], "watcher/options.ts WatcherOptions"],
        [api, ["### batches"], "watcher/batch.ts WatchBatch"],
        [api, ["### w:revision, w:state, w:stats"], "watch/stats.ts FeedStats", "watcher/watcher.ts WatcherStats"],
        [api, ["### init"], "endpoint/shared_health.ts Conf"],
        [mirrors, ["### mirror"], "mirror/types.ts Options"],
        [mirrors, ["## Service discovery"], "discovery.ts Options", "discovery.ts RegisterOptions"],
        [mirrors, ["### Registrations"], "discovery/registration.ts Status"],
    ]) {
        const documented = new Set(titles.flatMap(title => rows(section(page, title))));
        const wanted = new Set();
        for (const name of interfaces) {
            const [file, type] = name.split(" ");
            members(`src/resty/etcd/${file}`, type).forEach(member => wanted.add(member));
        }
        assert.deepEqual([...documented].sort(), [...wanted].sort(), `${page}, ${titles}: ${interfaces}`);
    }
});
