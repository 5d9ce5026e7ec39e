// No Lua pattern takes more than linear time: texts of servers, DNS, other tenants, files and shared dicts can be long, and
// a quadratic pattern stops the worker for 40 s at 80 KB. This applies to src/ and to the Lua that users copy: examples/ and
// the pages.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import path from "node:path";
import ts from "typescript";

import { checker, pieces_of, read, root, sources, walk } from "./error_texts.mjs";
import { exponent_of } from "./lua_patterns.mjs";

/** Functions that take a pattern as second argument. */
const MATCHERS = /^string\.(?:find|gmatch|gsub|match)$/;

/** Returns the expression without casts and parentheses. */
function bare(node) {
    return ts.isAsExpression(node) || ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)
        ? bare(node.expression)
        : node;
}

/** Returns the initializer of a constant that a name refers to, or undefined. */
function constant_of(node, types) {
    const declaration = ts.isIdentifier(node) ? types.getSymbolAtLocation(node)?.valueDeclaration : undefined;
    return declaration && ts.isVariableDeclaration(declaration) && ts.isIdentifier(declaration.name)
        ? declaration.initializer && bare(declaration.initializer)
        : undefined;
}

/** Reports whether an expression is a function of Lua that matches patterns, also under another name. */
function is_matcher(node, types) {
    const callee = bare(node);
    return MATCHERS.test(callee.getText()) || MATCHERS.test(constant_of(callee, types)?.getText() ?? "");
}

/** Returns the patterns that an expression can be; undefined if they are not known. */
function patterns_in(node, types) {
    const expression = bare(node);
    if (ts.isConditionalExpression(expression)) {
        const both = [expression.whenTrue, expression.whenFalse].map(side => patterns_in(side, types));
        return both.every(Boolean) ? both.flat() : undefined;
    }
    const pieces = pieces_of(expression);
    if (pieces !== undefined) {
        return pieces.length === 1 ? pieces : undefined;
    }
    const constant = constant_of(expression, types);
    return constant && patterns_in(constant, types);
}

/** Returns what is wrong with a pattern, or undefined. */
function problem_of(pattern) {
    try {
        const exponent = exponent_of(pattern);
        return exponent > 1 ? `O(n^${exponent}): bound it by other means than a pattern` : undefined;
    } catch (error) {
        return error.message;
    }
}

/** Returns what is wrong with the patterns of a file of src/. */
function problems_of(file, types, name) {
    const found = [];
    let count = 0;
    const report = (node, text) => {
        const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        found.push(`${name}:${line}: ${node.getText()}: ${text}`);
    };
    walk(file, node => {
        if (ts.isPropertyAccessExpression(node) && node.getText() === "ngx.re") {
            report(node, "PCRE backtracks: use functions that take linear time");
        }
        const is_callee = ts.isCallExpression(node.parent ?? node) && node.parent.expression === node;
        const is_alias = node.parent && (ts.isAsExpression(node.parent) || ts.isVariableDeclaration(node.parent));
        if (ts.isPropertyAccessExpression(node) && MATCHERS.test(node.getText()) && !is_callee && !is_alias) {
            report(node, "call it, or give it a name");
        }
        if (ts.isCallExpression(node) && is_matcher(node.expression, types)) {
            const [, pattern, , plain] = node.arguments;
            if (
                /find$/.test(constant_of(bare(node.expression), types)?.getText() ?? node.expression.getText()) &&
                plain
            ) {
                if (plain.kind !== ts.SyntaxKind.TrueKeyword) {
                    report(node, "the fourth argument must be true");
                }
                return;
            }
            count += 1;
            const patterns = pattern && patterns_in(pattern, types);
            if (!patterns) {
                report(node, "write the pattern as a literal or a constant");
                return;
            }
            patterns.map(problem_of).forEach(problem => problem && report(node, problem));
        }
    });
    return { found, count };
}

/** Returns the patterns in Lua code: literals that are passed to a matcher. */
function patterns_of_lua(code) {
    const calls =
        /(?:[:.])(?:find|gmatch|gsub|match)\s*\(?\s*(?:[\w.[\]()"':]+\s*,\s*)?(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')/g;
    return [...code.matchAll(calls)].map(match => (match[1] ?? match[2]).replace(/\\(.)/g, "$1"));
}

/** Returns the Lua code that users read: name and text. */
function lua_of_users() {
    const files = execFileSync(
        "git",
        ["ls-files", "--", "examples/*.lua", "tools/demo/*.lua", "docs/*.md", "README.md"],
        {
            cwd: root,
            encoding: "utf8",
        },
    );
    return files
        .trim()
        .split("\n")
        .map(name => [name, read(name)])
        .map(([name, text]) => [
            name,
            name.endsWith(".md")
                ? [...text.matchAll(/^```(?:lua|nginx)$([\s\S]*?)^```$/gm)].map(m => m[1]).join("\n")
                : text,
        ]);
}

/** Returns what is wrong with the statements of a made-up file. */
function problems_of_text(text) {
    const name = "made_up.ts";
    const file = ts.createSourceFile(name, text, ts.ScriptTarget.ESNext, true);
    const constants = new Map();
    walk(file, node => {
        if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name)) {
            constants.set(node.name.text, node);
        }
    });
    const types = { getSymbolAtLocation: node => ({ valueDeclaration: constants.get(node.text) }) };
    return problems_of(file, types, name).found;
}

/** Statements whose pattern takes more than linear time, or is not known. */
const HARMFUL = [
    'string.match(url, "^(.-)/*$");',
    'string.match(url, "^%s*(.-)%s*$");',
    'string.gsub(text, "%s+$", "");',
    'string.find(text, ".-x");',
    'string.match(path, "^(.*)/[^/]*$");',
    'string.match(text, "^(%-?)0*(%d+)$");',
    'string.match(text, "<title>(.-)</");',
    'string.match(text, "resty/core/socket%S*: failed");',
    'string.match(text, "^(%S+) (.-) *$");',
    'string.match(text, "%d+x");',
    'string.match(text, "^[%w_]*[%w.]*$");',
    'string.find(text, "^%w*%d*$");',
    'for (const [group] of string.gmatch(text, "([^:]*):")) print(group);',
    'for (const [label] of string.gmatch(text, "%-%-BEGIN ([^\\n]-)%-%-()")) print(label);',
    'string.match(text, "%b()");',
    'string.match(text, "(%a+) %1");',
    'const find = string.find as StringFind; find(text, "a.*b");',
    'const PATTERN = "x.*y"; string.match(text, PATTERN);',
    'string.match(text, is_long ? "^a*$" : "a*b");',
    "string.match(text, pattern);",
    "string.match(text, `^${part}.*$`);",
    "string.find(text, part, 1, is_plain);",
    'pcall(string.match, text, "^a");',
    'ngx.re.match(text, "(a+)+$");',
];

/** Statements whose pattern takes linear time. */
const HARMLESS = [
    'string.match(text, "^(%d+) (%d+) (%l*)$");',
    'string.match(text, "^(.*) (%x%x)$");',
    'string.match(text, "^.*(@.*)$");',
    'string.gsub(text, "[%c%s]+", " ");',
    'string.gsub(text, "U?LL$", "");',
    'string.match(reason, "code = (%a+)");',
    'string.gsub(text, ",(%s*%a[%w+.-]*://)", "");',
    'for (const [name] of string.gmatch(text, "[^/]+")) print(name);',
    "string.find(text, part, 1, true);",
    'const match = string.match; match(text, "^/([^:%c]+):?(.*)$");',
];

test("every pattern of src takes linear time", () => {
    const results = sources.map(file => problems_of(file, checker, path.relative(root, file.fileName)));
    assert.deepEqual(
        results.flatMap(result => result.found),
        [],
    );
    const count = results.reduce((sum, result) => sum + result.count, 0);
    assert.ok(count > 50, `${count} patterns`);
});

test("every pattern of the Lua that users copy takes linear time", () => {
    const patterns = lua_of_users().flatMap(([name, code]) => patterns_of_lua(code).map(pattern => [name, pattern]));
    assert.ok(patterns.length > 0);
    const found = patterns.filter(([, pattern]) => problem_of(pattern)).map(([name, pattern]) => `${name}: ${pattern}`);
    assert.deepEqual(found, []);
});

test("patterns are found in Lua", () => {
    const code = `local a = s:match("^a") or string.gsub(s, '%s+$', "") or (x.y):find [[no]] or s:gmatch "[^/]+"`;
    assert.deepEqual(patterns_of_lua(code), ["^a", "%s+$", "[^/]+"]);
});

test("patterns that take more than linear time, or that are not known, are found", () => {
    const missed = HARMFUL.filter(statement => problems_of_text(statement).length === 0);
    assert.deepEqual(missed, []);
});

test("patterns that take linear time are accepted", () => {
    const found = HARMLESS.flatMap(problems_of_text);
    assert.deepEqual(found, []);
});
