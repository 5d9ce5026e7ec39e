const concat = table.concat;

/** Bytes, or number of pieces, that are joined to a part. */
const PART = 65536;
const MAX_PIECES = 1024;

/** Bytes that arrive in pieces. Small pieces are joined: a table entry per byte would take 16 times their memory. */
interface ByteParts {
    parts: string[];
    /** Not joined yet. */
    pieces: string[];
    pieces_length: number;
    length: number;
}

function create(): ByteParts {
    return { parts: [], pieces: [], pieces_length: 0, length: 0 };
}

/** Appends a piece. */
function add(bytes: ByteParts, piece: string): void {
    const pieces = bytes.pieces;
    pieces.push(piece);
    bytes.length = bytes.length + piece.length;
    bytes.pieces_length = bytes.pieces_length + piece.length;
    if (bytes.pieces_length >= PART || pieces.length >= MAX_PIECES) {
        const parts = bytes.parts;
        parts.push(concat(pieces));
        bytes.pieces = [];
        bytes.pieces_length = 0;
    }
}

/** Returns all bytes. */
function join(bytes: ByteParts): string {
    const parts = bytes.parts;
    if (parts.length === 0) {
        return concat(bytes.pieces);
    }
    parts.push(concat(bytes.pieces));
    return concat(parts);
}

export { add, join, create as new, type ByteParts };
