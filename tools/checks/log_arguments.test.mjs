// Text from outside the driver goes through base/printable before it reaches error.log or a label of Prometheus. The type
// Printable proves it: every argument of ngx.log is of that type, a number, or made of literals.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";

import { checker, config, root, sources, walk } from "./error_texts.mjs";

/** The only file that can declare a text to be printable. */
const MAKER = "src/resty/etcd/base/printable.ts";

/** Functions of ngx that write to error.log without the name of the caller, or not at all as a line of the driver. */
const OTHER_SINKS = new Set(["print", "raw_log"]);

/** Reports whether all values of a type can be logged as they are. */
function is_clean_type(type) {
    if (type.isUnion()) {
        return type.types.every(is_clean_type);
    }
    const harmless = ts.TypeFlags.NumberLike | ts.TypeFlags.StringLiteral | ts.TypeFlags.Undefined;
    return (type.flags & harmless) !== 0 || (type.isIntersection() && type.getProperty("__printable") !== undefined);
}

/** Returns the initializer of a constant that an identifier names, or undefined. */
function initializer_of(node, types) {
    const declaration = ts.isIdentifier(node) ? types.getSymbolAtLocation(node)?.valueDeclaration : undefined;
    const is_constant =
        declaration && ts.isVariableDeclaration(declaration) && declaration.parent.flags & ts.NodeFlags.Const;
    return is_constant && ts.isIdentifier(declaration.name) ? declaration.initializer : undefined;
}

/** Reports whether an expression consists of literals, numbers and printable texts. */
function is_clean(node, types) {
    const follow = next => is_clean(next, types);
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)) {
        return follow(node.expression);
    }
    if (ts.isTemplateExpression(node)) {
        return node.templateSpans.every(span => follow(span.expression));
    }
    if (ts.isConditionalExpression(node)) {
        return follow(node.whenTrue) && follow(node.whenFalse);
    }
    if (ts.isBinaryExpression(node)) {
        return follow(node.left) && follow(node.right);
    }
    if (ts.isCallExpression(node) && node.expression.getText() === "string.format") {
        return node.arguments.every(follow);
    }
    if (is_clean_type(types.getTypeAtLocation(node))) {
        return true;
    }
    const initializer = initializer_of(node, types);
    return initializer !== undefined && follow(initializer);
}

/** Returns the expressions that become labels: in a template or a format, after `="`. */
function label_values(node) {
    if (ts.isTemplateExpression(node)) {
        const before = [node.head, ...node.templateSpans.map(span => span.literal)];
        return node.templateSpans.filter((_, i) => before[i].text.endsWith('="')).map(span => span.expression);
    }
    if (ts.isCallExpression(node) && ts.isStringLiteralLike(node.arguments[0] ?? node)) {
        const conversions = [...node.arguments[0].text.matchAll(/(="?)?%[^%]/g)];
        return conversions.flatMap((found, i) => (found[1] === '="' ? [node.arguments[i + 1]] : []));
    }
    return [];
}

/** Returns what is wrong with the use of foreign text in a file. */
function problems_of(file, types, name) {
    const found = [];
    const report = (node, text) => {
        const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        found.push(`${name}:${line}: ${node.getText().replace(/\s+/g, " ")}: ${text}`);
    };
    walk(file, node => {
        if (ts.isPropertyAccessExpression(node) && node.getText() === "ngx.log") {
            const call = node.parent;
            if (!ts.isCallExpression(call) || call.expression !== node) {
                report(node, "nginx prints the name of the function that calls it");
            } else {
                call.arguments
                    .slice(1)
                    .filter(argument => ts.isSpreadElement(argument) || !is_clean(argument, types))
                    .forEach(argument => report(argument, "use printable.of, or printable.key"));
            }
        } else if (ts.isIdentifier(node) && OTHER_SINKS.has(node.text)) {
            report(node, "use ngx.log");
        } else if (ts.isAsExpression(node) && node.type.getText().includes("Printable") && name !== MAKER) {
            report(node, "only printable.of makes printable text");
        }
        if (name.includes("/metrics/")) {
            label_values(node)
                .filter(value => !is_clean(value, types))
                .forEach(value => report(value, "a label: use printable.of, or printable.key"));
        }
    });
    return found;
}

/** Returns what is wrong with a file of src/metrics with a text. */
function problems_of_text(text) {
    const name = "src/resty/etcd/metrics/made_up.ts";
    const fixture = path.join(root, name);
    const host = ts.createCompilerHost(config.options, true);
    const { getSourceFile, fileExists, readFile } = host;
    host.getSourceFile = (file, ...rest) =>
        file === fixture ? ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true) : getSourceFile(file, ...rest);
    host.fileExists = file => file === fixture || fileExists(file);
    host.readFile = file => (file === fixture ? text : readFile(file));
    const files = [fixture, ...config.fileNames.filter(file => file.endsWith(".d.ts"))];
    const program = ts.createProgram(files, config.options, host);
    return problems_of(program.getSourceFile(fixture), program.getTypeChecker(), name);
}

const HARMLESS = `
    import * as printable from "../base/printable";
    interface State { readonly subject: Printable; readonly count: number }
    function log(state: State, text: unknown, kind: "a" | "b"): void {
        const others = state.count > 0 ? \` (and \${state.count} others)\` : "";
        const seconds = string.format("%.1f", state.count);
        ngx.log(ngx.WARN, state.subject, ": ", printable.of(text), others, kind, seconds, "; next in ", state.count);
        const lines: string[] = [];
        lines.push(\`\${state.subject}="\${printable.of(text)}"\`);
        lines.push(string.format('calls{%s,le="%s"} %d', tostring(text), printable.key(text), state.count));
    }
`;

/** Lines that must be found, in a function with `err: string`, `state: { err: string }`, `any_value: any`. */
const HARMFUL = [
    "ngx.log(ngx.WARN, err);",
    'ngx.log(ngx.WARN, "watch: ", state.err);',
    'ngx.log(ngx.WARN, "watch: " + err);',
    "ngx.log(ngx.WARN, `watch of ${err}`);",
    "const text = `watch of ${err}`; ngx.log(ngx.WARN, text);",
    "ngx.log(ngx.WARN, tostring(any_value));",
    "ngx.log(ngx.WARN, any_value);",
    'ngx.log(ngx.WARN, any_value ?? "none");',
    "ngx.log(ngx.WARN, any_value === 1 ? printable.of(err) : err);",
    'ngx.log(ngx.WARN, string.format("%s", err));',
    "ngx.log(ngx.WARN, string.sub(printable.of(err), 1, 10) + state.err);",
    "let text = printable.of(err) as string; text = err; ngx.log(ngx.WARN, text);",
    "ngx.log(ngx.WARN, err as Printable);",
    "const write = ngx.log; write(ngx.WARN, err);",
    "pcall(ngx.log, ngx.WARN, err);",
    "print(err);",
    'lines.push(`calls{client="${err}"}`);',
    "lines.push(string.format('calls{%s,client=\"%s\"} %d', printable.of(err), err, 1));",
];

test("every argument of ngx.log is a literal, a number or printable, and so is every label", () => {
    const found = sources.flatMap(file => problems_of(file, checker, path.relative(root, file.fileName)));
    assert.deepEqual(found, []);
});

test("there are lines to check", () => {
    const calls = sources.flatMap(file => file.text.match(/\bngx\.log\(/g) ?? []);
    assert.ok(calls.length > 40, `${calls.length} calls`);
});

test("harmless lines are accepted", () => {
    assert.deepEqual(problems_of_text(HARMLESS), []);
});

test("each kind of foreign text in a line or a label is found", () => {
    const functions = HARMFUL.map(
        (line, i) =>
            `function f${i}(err: string, state: { err: string }, any_value: any, lines: string[]): void { ${line} }`,
    );
    const found = problems_of_text(['import * as printable from "../base/printable";', ...functions].join("\n"));
    const lines = new Set(found.map(problem => Number(/:(\d+): /.exec(problem)[1]) - 2));
    const missed = HARMFUL.filter((_, i) => !lines.has(i));
    assert.deepEqual(missed, []);
});
