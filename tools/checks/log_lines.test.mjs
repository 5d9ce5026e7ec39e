// The pages list every line that the driver logs.

import assert from "node:assert/strict";
import { test } from "node:test";
import ts from "typescript";

import { joined, pieces_of, read, sources, walk } from "./error_texts.mjs";

const HOLE = "\u2026";
const escaped = text => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const pattern = pieces => new RegExp(`^${pieces.map(escaped).join("(.+)")}$`, "s");

const pages = ["docs/api.md", "docs/errors.md"].map(page => read(page).replace(/^```[\s\S]*?^```$/gm, "")).join("\n");
const spans = [...pages.matchAll(/`([^`]+)`/g)].map(match => match[1].replace(/\s+/g, " "));
const documented = spans
    .map(span => span.split(/<[\w' ]+>/))
    .filter(pieces => /[a-z]{4}/.test(pieces.join("")))
    .map(pattern);

/** Returns the pieces of the line that a call logs, or undefined if it logs none. */
function line_of(call) {
    const name = call.expression.getText();
    const texts = parts => parts.map(part => pieces_of(part) ?? ["", ""]).reduce(joined);
    if (name === "warn_once.warn") {
        return [texts([call.arguments[0]]), [": "], texts([call.arguments[1]])].reduce(joined);
    }
    const parts =
        name === "ngx.log" ? call.arguments.slice(1) : name === "rate_limited_log.warn" ? [call.arguments[1]] : [];
    return parts.length > 0 ? texts(parts) : undefined;
}

test("the pages list every log line of the driver", () => {
    const missing = [];
    let count = 0;
    for (const file of sources) {
        walk(file, node => {
            const pieces = ts.isCallExpression(node) ? line_of(node) : undefined;
            if (pieces && /[a-z]{2}/.test(pieces.join(""))) {
                count += 1;
                const filled = pieces.join(HOLE);
                if (!spans.some(span => pattern(pieces).test(span)) && !documented.some(known => known.test(filled))) {
                    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
                    missing.push(`${file.fileName.replace(/.*\/src\//, "src/")}:${line}: ${filled}`);
                }
            }
        });
    }
    assert.ok(count > 20, `${count} lines`);
    assert.ok(missing.length === 0, `list them in docs/api.md, Log lines:\n${missing.join("\n")}`);
});
