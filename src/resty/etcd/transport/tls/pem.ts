const find = string.find as StringFind;
const sub = string.sub;

/*
 * OpenSSL asks for the pass phrase of an encrypted PEM block at the terminal or standard input, and so stops the whole
 * worker. Such blocks are found before OpenSSL reads the text.
 */

/** A kind of block that is read from a PEM text. */
type BlockKind = "CERTIFICATE" | "PRIVATE KEY";

const BEGIN = "-----BEGIN ";

/**
 * Reports whether a block is of a kind and encrypted.
 * @param block from its label up to the next block
 */
function is_encrypted(block: string, kind: BlockKind): boolean {
    const [label_end] = find(block, "-----", 1, true);
    const label = sub(block, 1, (label_end ?? 1) - 1);
    const [of_kind] = find(label, kind, 1, true);
    const [line_break] = find(label, "\n", 1, true);
    if (of_kind === undefined || line_break !== undefined) {
        return false;
    }
    const [end_at] = find(block, "-----END ", label_end, true);
    const [encrypted_header] = find(sub(block, label_end!, end_at), "Proc%-Type:[ \t]*4,[ \t]*ENCRYPTED");
    return label === "ENCRYPTED PRIVATE KEY" || encrypted_header !== undefined;
}

/**
 * Reports whether a text contains an encrypted block of a kind. The two forms are the label `ENCRYPTED PRIVATE KEY`, and
 * the header field `Proc-Type: 4,ENCRYPTED`, which blocks of every kind can have.
 */
function has_encrypted_block(text: string, kind: BlockKind): boolean {
    let [, begin_end] = find(text, BEGIN, 1, true);
    while (begin_end !== undefined) {
        const [next_begin, next_begin_end] = find(text, BEGIN, begin_end + 1, true);
        if (is_encrypted(sub(text, begin_end + 1, (next_begin ?? 0) - 1), kind)) {
            return true;
        }
        begin_end = next_begin_end;
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
