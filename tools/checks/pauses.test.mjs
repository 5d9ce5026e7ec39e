// All timers, sleeps and waits of src/ are created by base/timers and base/wait, which bound their time: a time that a
// server sends, or that is computed from it, must neither let a loop spin nor let it wait forever. Only these two files
// contain `ngx.timer`, `ngx.sleep`, and calls of the method `wait` of a semaphore.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";

const root = path.resolve(import.meta.dirname, "../../src/resty");
const ALLOWED = ["etcd/base/timers.ts", "etcd/base/wait.ts"];
/** Foreign functions that wait without bounds. */
const FOREIGN = ["ngx.timer", "ngx.sleep"];
/** `ngx.thread.wait` waits for light threads, whose own waits are bounded. */
const OTHER_WAITS = ["ngx.thread"];

/** Returns the names under which a file imports modules. */
function namespaces(source) {
    return source.statements
        .filter(ts.isImportDeclaration)
        .map(statement => statement.importClause?.namedBindings)
        .filter(bindings => bindings !== undefined && ts.isNamespaceImport(bindings))
        .map(bindings => bindings.name.text);
}

/** Returns the places of a source text that wait without bounds. */
function unbounded(text) {
    const source = ts.createSourceFile("file.ts", text, ts.ScriptTarget.Latest, true);
    const known = [...namespaces(source), ...OTHER_WAITS];
    const found = [];
    function visit(node) {
        if (ts.isPropertyAccessExpression(node)) {
            const owner = node.expression.getText(source);
            const is_semaphore = node.name.text === "wait" && !known.includes(owner);
            if (is_semaphore || FOREIGN.includes(node.getText(source))) {
                found.push(
                    `${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${node.getText(source)}`,
                );
            }
        }
        ts.forEachChild(node, visit);
    }
    visit(source);
    return found;
}

test("timers, sleeps and waits are bounded by base/timers and base/wait", () => {
    const found = fs
        .readdirSync(root, { recursive: true })
        .filter(file => file.endsWith(".ts") && !ALLOWED.includes(file))
        .flatMap(file => unbounded(fs.readFileSync(path.join(root, file), "utf8")).map(place => `${file}:${place}`));
    assert.deepEqual(found, []);
});

test("a timer, a sleep or a wait without bounds is found", () => {
    const imports = 'import * as waits from "../base/wait";\n';
    for (const [line, place] of [
        ["ngx.timer.at(0, fn);", "2: ngx.timer"],
        ["protected_call(ngx.timer.every, seconds, fn);", "2: ngx.timer"],
        ["ngx.sleep(seconds);", "2: ngx.sleep"],
        ["state.signal.wait(seconds);", "2: state.signal.wait"],
        ["protected_call(semaphore.wait, semaphore, seconds);", "2: semaphore.wait"],
    ]) {
        assert.deepEqual(unbounded(imports + line), [place]);
    }
    assert.deepEqual(unbounded(`${imports}waits.wait(signal, 1); ngx.thread.wait(thread);`), []);
});
