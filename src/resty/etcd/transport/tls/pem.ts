const find = string.find as StringFind;

/*
 * OpenSSL asks for the pass phrase of an encrypted PEM block at the terminal or standard input, and so stops the whole
 * worker. Such blocks are found before OpenSSL reads the text.
 */

/** A kind of block that is read from a PEM text. */
type BlockKind = "CERTIFICATE" | "PRIVATE KEY";

/**
 * Reports whether a text contains an encrypted block of a kind. The two forms are the label `ENCRYPTED PRIVATE KEY`, and
 * the header field `Proc-Type: 4,ENCRYPTED`, which blocks of every kind can have.
 */
function has_encrypted_block(text: string, kind: BlockKind): boolean {
    for (const [label, start] of string.gmatch(text, "%-%-%-%-%-BEGIN ([^\n]-)%-%-%-%-%-()")) {
        const [of_kind] = find(label!, kind, 1, true);
        if (of_kind !== undefined) {
            const at = tonumber(start)!;
            const [next_end] = find(text, "-----END ", at, true);
            const block = string.sub(text, at, next_end);
            const [encrypted_header] = find(block, "Proc%-Type:[ \t]*4,[ \t]*ENCRYPTED");
            if (label === "ENCRYPTED PRIVATE KEY" || encrypted_header !== undefined) {
                return true;
            }
        }
    }
    return false;
}

/**
 * Checks a PEM text before OpenSSL reads it.
 * @returns an error text, or nil
 */
function check(text: string, kind: BlockKind): Problem {
    return has_encrypted_block(text, kind)
        ? "encrypted, and nginx cannot ask for its pass phrase: decrypt it first"
        : undefined;
}

export { check };
