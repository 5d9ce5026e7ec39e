// Shared dicts are read through base/dict_values, which takes values of other programs for absent ones. Nothing is written
// in a way that evicts what others have stored.

import assert from "node:assert/strict";
import { test } from "node:test";
import ts from "typescript";

import { sources, walk } from "./error_texts.mjs";

const READS = new Set(["get", "get_stale", "get_keys", "incr", "lpop", "rpop", "llen"]);
const EVICTS = new Set(["set", "add", "replace", "lpush", "rpush"]);
const READERS = /\/base\/(dict_values|memory_dict)\.ts$/;
/** State in the memory of the worker, in the form of a dict. */
const IN_MEMORY = new Set(["probed_at", "of_dict"]);

/** Returns what is wrong with a method call on a dict, or undefined. */
function problem(call) {
    if (!ts.isPropertyAccessExpression(call.expression)) {
        return undefined;
    }
    const object = call.expression.expression.getText();
    const method = call.expression.name.text;
    if (!/(^|\.)(\w*dict\w*|shared\[.*\]!?)$/.test(object) || /dict_values$/.test(object) || IN_MEMORY.has(object)) {
        return undefined;
    }
    return READS.has(method) || EVICTS.has(method) ? `${object}.${method}` : undefined;
}

function find(file) {
    const found = [];
    walk(file, node => {
        const text = ts.isCallExpression(node) ? problem(node) : undefined;
        if (text !== undefined) {
            const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
            found.push(`${file.fileName.replace(/.*\/src\//, "src/")}:${line}: ${text}`);
        }
    });
    return found;
}

test("shared dicts are read through base/dict_values, and written without evicting what others have stored", () => {
    const found = sources.filter(file => !READERS.test(file.fileName)).flatMap(find);
    assert.deepEqual(found, []);
});

test("reads and evicting writes of dicts are found", () => {
    for (const code of [
        "dict.get(key)",
        "log.dict.incr(key, 1)",
        "ngx.shared[name]!.get(key)",
        "health.dict.set(key, 1)",
        "shared_dict.add(key, 1)",
    ]) {
        const file = ts.createSourceFile("/src/x.ts", code, ts.ScriptTarget.Latest, true);
        assert.equal(find(file).length, 1, code);
    }
    for (const code of [
        "dict_values.get_text(dict, key, 1)",
        "dict.safe_set(key, 1)",
        "kvs.get(key)",
        "dict.delete(key)",
    ]) {
        const file = ts.createSourceFile("/src/x.ts", code, ts.ScriptTarget.Latest, true);
        assert.deepEqual(find(file), [], code);
    }
});
