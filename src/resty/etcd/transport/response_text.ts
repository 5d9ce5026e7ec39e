/** Texts of servers, as errors show them. */
const find = string.find as StringFind;
const sub = string.sub;

/** Shortest token that is removed from texts: etcd's are longer, and a shorter one could be part of any message. */
const MIN_TOKEN = 8;
/** Characters of a token that are searched for. */
const MAX_NEEDLE = 32;
/** Characters of a text that are searched for tokens. */
const MAX_SNIPPET = 65536;

/** Shortens text of a server to one line for an error message. */
function snippet(text: string): string {
    const [line] = string.gsub(sub(text, 1, 200), "[%c%s]+", " ");
    const [trimmed] = string.match(line, "^ ?(.-) ?$");
    return text.length > 200 ? `${trimmed}...` : (trimmed ?? "");
}

/**
 * Removes the token from text of a server, because a server or a proxy can echo the request.
 * @param token token of the request; nil if it had none
 */
function redact_token(text: string, token: string | undefined): string {
    if (token === undefined || token.length < MIN_TOKEN) {
        return text;
    }
    const beginning = sub(token, 1, MAX_NEEDLE);
    let [from] = find(text, beginning, 1, true);
    if (from === undefined) {
        return text;
    }
    let at = 1;
    const parts: string[] = [];
    while (from !== undefined && from <= MAX_SNIPPET) {
        parts.push(sub(text, at, from - 1));
        at = from + token.length;
        [from] = find(text, beginning, at, true);
    }
    parts.push(sub(text, at));
    return table.concat(parts, "...");
}

/** Reports whether a text is a page of a web server or a proxy. */
function is_markup(text: string): boolean {
    const [from] = find(text, "^%s*<");
    return from !== undefined;
}

/** Returns the title of a page, or its beginning. */
function page_text(text: string): string {
    const [, title_at] = find(text, "<[Tt][Ii][Tt][Ll][Ee]>");
    const [title_end] = find(text, "</", title_at, true);
    if (title_at === undefined || title_end === undefined) {
        return snippet(text);
    }
    return snippet(sub(text, title_at + 1, title_end - 1));
}

/** Returns the text of an error for a response that is not etcd's. */
function foreign_text(status: number, text: string): string {
    return `HTTP ${status} from something that is not etcd: ${text !== "" ? text : "empty response"}`;
}

export { foreign_text, is_markup, page_text, redact_token, snippet };
