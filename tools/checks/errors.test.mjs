// docs/errors.md explains every error text, name, field and hint of src/, and no other.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";

import { error_texts, pieces_of, read, root, sources, walk } from "./error_texts.mjs";

const page = read("docs/errors.md");

/** Converts a text with holes to a pattern: `["lease ", " command"]`, or the page's `lease <command> command`. */
const escaped = text => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const pattern = pieces => new RegExp(`^${pieces.map(escaped).join("(.+)")}$`, "s");
const pieces = span => span.split(/<[\w' ]+>/);
const HOLE = "\u2026";

/** Returns the texts between backticks. */
const spansOf = text => [...text.matchAll(/`([^`]+)`/g)].map(match => match[1].replace(/\s+/g, " "));
const spans = spansOf(page);
/** Without those that consist almost only of holes, and would match anything. */
const spanPatterns = spans.filter(span => /[a-z]{4}/.test(pieces(span).join(""))).map(span => pattern(pieces(span)));

function section(title) {
    const [, after] = page.split(new RegExp(`^##+ ${escaped(title)}\n`, "m"));
    assert.ok(after !== undefined, `docs/errors.md has no section "${title}"`);
    return after.split(/^##+ /m)[0];
}

/** Returns the subjects of the entries of a list: the spans before the first colon or bracket. */
function entries(title) {
    return [...section(title).matchAll(/^ *- ((?:`[^`]+`(?:,\s+| and |, | of [^:]*?)?)+)/gm)].flatMap(match =>
        spansOf(match[1]),
    );
}

const source = name => sources.find(file => file.fileName === path.join(root, "src/resty/etcd", name));

/** Results between modules, which never reach a user. */
const INTERNAL = new Set(["draining", "exists", "full", "lost", "missing"]);

const found_texts = error_texts();

/** Returns the value of a string constant in a file. */
function constant(file, name) {
    let value;
    walk(source(file), node => {
        if (ts.isVariableDeclaration(node) && node.name.getText() === name) {
            [value] = pieces_of(node.initializer);
        }
    });
    return value;
}

test("every error text of the driver is explained", () => {
    assert.ok(found_texts.length > 190, `${found_texts.length} texts`);
    const unexplained = [];
    for (const { text, at } of found_texts) {
        if (!/[a-z]{2}/.test(text.join("")) || INTERNAL.has(text[0])) {
            continue; // the first consist only of holes
        }
        const own = pattern(text);
        const filled = text.join(HOLE);
        if (!spans.some(span => own.test(span)) && !spanPatterns.some(span => span.test(filled))) {
            unexplained.push(`${at}: ${filled}`);
        }
    }
    assert.deepEqual(unexplained, [], "explain them in docs/errors.md");
});

test("every text that the page calls the driver's own is in its source", () => {
    const own = found_texts.map(({ text }) => ({ filled: text.join(HOLE), pattern: pattern(text) }));
    for (const title of ["Arguments", "Options", "Others"]) {
        const listed = entries(title);
        assert.ok(listed.length > 0, title);
        for (const span of listed) {
            const wanted = pattern(pieces(span));
            const known = own.some(({ filled, pattern: its }) => its.test(span) || wanted.test(filled));
            assert.ok(known, `${title}: the driver has no error "${span}"`);
        }
    }
});

test("the names are those of the driver", () => {
    const given = new Set(["http_error"]);
    const grpc = [];
    const codes = new Map();
    walk(source("protocol/errors.ts"), node => {
        if (ts.isTypeAliasDeclaration(node) && node.name.text === "LocalName") {
            node.type.types.forEach(type => given.add(type.literal.text));
        } else if (ts.isEnumMember(node)) {
            codes.set(node.name.text, Number(node.initializer.text));
        } else if (ts.isCallExpression(node) && node.expression.getText() === "NAMES.set") {
            grpc[codes.get(node.arguments[0].name.text)] = node.arguments[1].text;
        }
    });
    assert.deepEqual(new Set(entries("The driver's own")), given);
    assert.deepEqual(entries("etcd's"), grpc.slice(1), "in the order of the codes");
});

test("the fields are those of an error", () => {
    const fields = [];
    walk(source("protocol/errors.ts"), node => {
        if (ts.isInterfaceDeclaration(node) && node.name.text === "EtcdError") {
            fields.push(...node.members.map(member => member.name.getText()));
        }
    });
    assert.deepEqual(entries("Fields of an error").sort(), fields.sort());
});

test("the hints are those of the driver, each with its texts", () => {
    const wanted = new Map();
    let pairs;
    walk(source("transport/error_hints.ts"), node => {
        if (ts.isVariableDeclaration(node) && node.name.getText() === "HINTS") {
            pairs = node.initializer.elements;
        }
    });
    for (const { elements } of pairs) {
        const hint = pieces_of(elements[1])?.[0] ?? constant("transport/error_hints.ts", elements[1].getText());
        wanted.set(hint, [...(wanted.get(hint) ?? []), elements[0].text]);
    }
    const explained = new Map();
    for (const entry of section("Hints").split(/^- /m).slice(1)) {
        const parts = spansOf(entry);
        explained.set(parts.pop(), parts);
    }
    for (const name of ["NO_ANSWER", "NO_ANSWER_IN_TLS", "ALERT", "SILENT_WATCH", "IGNORED_CA"]) {
        const hint = constant("transport/error_hints.ts", name);
        assert.ok(explained.has(hint), hint);
        explained.delete(hint);
    }
    assert.deepEqual(explained, wanted);
});

test("the page can be found", () => {
    assert.ok(read("README.md").includes("(docs/errors.md)"), "README.md");
    assert.ok(read("docs/api.md").includes("(errors.md#"), "docs/api.md");
});
