// Finds the error texts of src/ by where they go, not by what functions and variables are called.
//
// A text is an error text if it reaches one of these places, directly or through constants, variables, and the arguments
// and results of functions:
//
// - the message argument of a function that makes errors (MAKERS);
// - `$multi(undefined, text)` or `$multi(false, text)`, that is the second result of a failed call;
// - a result, variable, parameter or field of type `Problem` (types/result.d.ts).

import fs from "node:fs";
import path from "node:path";
import ts from "typescript";

const root = path.resolve(import.meta.dirname, "../..");

/** Functions that make errors, with the index of their message argument. */
const MAKERS = {
    bad_request: 0,
    local_error: 1,
    local_failure: 1,
    make_fault: 1,
    out_of_time: 0,
    server_error: 2,
    status_failure: 2,
};

/** Functions that return their first argument, cleaned. */
const CLEANERS = new Set(["printable.key", "printable.of"]);

/** Operators whose operands are no part of the result. */
const COMPARISONS = new Set([ts.SyntaxKind.EqualsEqualsEqualsToken, ts.SyntaxKind.ExclamationEqualsEqualsToken]);

/** The type of error texts that are absent on success. */
const PROBLEM = /^Problem$/;

const config = ts.parseJsonConfigFileContent(
    ts.readConfigFile(path.join(root, "tsconfig.json"), ts.sys.readFile).config,
    ts.sys,
    root,
);
const program = ts.createProgram(config.fileNames, config.options);
const checker = program.getTypeChecker();

/** The source files of src/, parsed and bound. */
const sources = program.getSourceFiles().filter(file => file.fileName.startsWith(path.join(root, "src/")));

function walk(node, visit) {
    visit(node);
    ts.forEachChild(node, child => walk(child, visit));
}

/** Returns the declaration that a name or a member refers to, across files. */
function declaration_of(node) {
    let symbol = checker.getSymbolAtLocation(ts.isPropertyAccessExpression(node) ? node.name : node);
    if (symbol && symbol.flags & ts.SymbolFlags.Alias) {
        symbol = checker.getAliasedSymbol(symbol);
    }
    return symbol?.valueDeclaration;
}

/** Returns the pieces of a constant, or undefined if the expression is not one. */
function constant_pieces(node) {
    const declaration = ts.isIdentifier(node) || ts.isPropertyAccessExpression(node) ? declaration_of(node) : undefined;
    if (declaration && ts.isVariableDeclaration(declaration) && declaration.parent.flags & ts.NodeFlags.Const) {
        return declaration.initializer && pieces_of(declaration.initializer);
    }
}

/** Joins the pieces of two texts that follow each other. */
const joined = (left, right) => [...left.slice(0, -1), left.at(-1) + right[0], ...right.slice(1)];

/**
 * Returns the fixed pieces of a string literal, a template or a concatenation, or undefined for anything else.
 * Constants are part of the fixed pieces; what else stands in a template is a hole between two pieces.
 */
function pieces_of(node) {
    const hole = ["", ""];
    if (ts.isStringLiteralLike(node)) {
        return [node.text];
    }
    if (ts.isTemplateExpression(node)) {
        return node.templateSpans.reduce(
            (pieces, span) => joined(joined(pieces, constant_pieces(span.expression) ?? hole), [span.literal.text]),
            [node.head.text],
        );
    }
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
        const [left, right] = [node.left, node.right].map(side => pieces_of(side) ?? constant_pieces(side));
        return left || right ? joined(left ?? hole, right ?? hole) : undefined;
    }
}

/** Returns the declared type of a result, variable, parameter or field as it is written. */
const type_text = declaration => declaration?.type?.getText();
const is_problem = declaration => PROBLEM.test(type_text(declaration) ?? "");

/** Returns all expressions that a function returns, those of functions inside it excluded. */
function returned_by(declaration) {
    if (!declaration.body) {
        return [];
    }
    if (!ts.isBlock(declaration.body)) {
        return [declaration.body];
    }
    const found = [];
    const visit = node => {
        if (ts.isReturnStatement(node) && node.expression) {
            found.push(node.expression);
        } else if (!ts.isFunctionLike(node)) {
            ts.forEachChild(node, visit);
        }
    };
    ts.forEachChild(declaration.body, visit);
    return found;
}

/** The values of each variable and parameter, by declaration. */
const assigned = new Map();
const assign = (declaration, value) => {
    if (declaration) {
        assigned.set(declaration, [...(assigned.get(declaration) ?? []), value]);
    }
};

/** Returns the parameters of the function that is called, without `this`. */
function parameters_of(call) {
    const parameters = checker.getResolvedSignature(call)?.declaration?.parameters ?? [];
    return parameters.filter(parameter => parameter.name.getText() !== "this");
}

/** Collects the values of all variables and parameters, and returns the names of all functions. */
function collect() {
    const functions = new Set();
    const visit = node => {
        if (ts.isFunctionDeclaration(node)) {
            functions.add(node.name.text);
        } else if (ts.isCallExpression(node)) {
            parameters_of(node).forEach((parameter, i) => node.arguments[i] && assign(parameter, node.arguments[i]));
        } else if (ts.isVariableDeclaration(node) && node.initializer) {
            assign(node, node.initializer);
        } else if (
            ts.isBinaryExpression(node) &&
            node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
            ts.isIdentifier(node.left)
        ) {
            assign(declaration_of(node.left), node.right);
        }
    };
    sources.forEach(file => walk(file, visit));
    return functions;
}

/** Calls `report` with each text that an expression can be, and with its node. */
function trace(node, report, seen) {
    if (seen.has(node)) {
        return;
    }
    seen.add(node);
    const follow = next => trace(next, report, seen);
    const pieces = pieces_of(node);
    if (pieces) {
        report(pieces, node);
    } else if (ts.isConditionalExpression(node)) {
        follow(node.whenTrue);
        follow(node.whenFalse);
    } else if (ts.isBinaryExpression(node) && !COMPARISONS.has(node.operatorToken.kind)) {
        follow(node.right);
        if (node.operatorToken.kind !== ts.SyntaxKind.AmpersandAmpersandToken) {
            follow(node.left);
        }
    } else if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isNonNullExpression(node)) {
        follow(node.expression);
    } else if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) {
        const declaration = declaration_of(node);
        if (declaration && ts.isIdentifier(declaration.name)) {
            (assigned.get(declaration) ?? []).forEach(follow);
        }
    } else if (ts.isCallExpression(node) && CLEANERS.has(node.expression.getText())) {
        follow(node.arguments[0]); // and not the texts that other callers clean
    } else if (ts.isCallExpression(node)) {
        const declaration = declaration_of(node.expression);
        if (declaration && ts.isFunctionLike(declaration)) {
            returned_by(declaration).forEach(follow);
        }
    }
}

/** Returns the arguments of a call that are error texts. */
function error_arguments(call) {
    const name = call.expression.getText();
    const first = call.arguments[0]?.getText();
    if (name === "$multi") {
        return first === "undefined" || first === "false" ? call.arguments.slice(1) : [];
    }
    const maker = MAKERS[name.split(".").pop()];
    if (maker !== undefined) {
        return call.arguments.slice(maker, maker + 1);
    }
    const parameters = parameters_of(call);
    return call.arguments.filter((_, i) => is_problem(parameters[i]));
}

/** Returns the expressions at a node that are error texts. */
function error_expressions(node) {
    if (ts.isCallExpression(node)) {
        return error_arguments(node);
    }
    if (ts.isFunctionLike(node)) {
        return is_problem(node) ? returned_by(node) : [];
    }
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken) {
        return is_problem(declaration_of(node.left)) ? [node.right] : [];
    }
    if (ts.isVariableDeclaration(node)) {
        return node.initializer && is_problem(node) ? [node.initializer] : [];
    }
    if (ts.isPropertyAssignment(node)) {
        const field = checker.getContextualType(node.parent)?.getProperty(node.name.getText());
        return is_problem(field?.valueDeclaration) ? [node.initializer] : [];
    }
    return [];
}

/** Returns all error texts of the driver: their fixed pieces, and where they are written. */
function error_texts() {
    const functions = collect();
    const missing = Object.keys(MAKERS).filter(name => !functions.has(name));
    if (missing.length > 0) {
        throw new Error(`src has no function ${missing.join(", ")}: follow the rename in MAKERS`);
    }
    const found = [];
    const seen = new Set();
    const report = (text, node) => {
        const file = node.getSourceFile();
        const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        found.push({ text, at: `${path.relative(root, file.fileName)}:${line}` });
    };
    for (const file of sources) {
        walk(file, node => error_expressions(node).forEach(expression => trace(expression, report, seen)));
    }
    return found;
}

const read = file => fs.readFileSync(path.join(root, file), "utf8");

export { checker, config, error_texts, joined, pieces_of, read, root, sources, walk };
