/**
 * The Huffman code of HPACK (RFC 7541, appendix B). The code is canonical: the codes of one length are consecutive, in the
 * order of their symbols, so the lengths alone define it.
 */
const byte = string.byte;
const char = string.char;
const concat = table.concat;
const floor = math.floor;

/** Length of the code of each symbol, where `A` stands for 5 bits. Symbol 256 ends a string and must not occur. */
const LENGTHS =
    "ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABA" +
    "BABBBACCBBBABCBAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRU" +
    "VVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ";

const MIN_LENGTH = 5;
const MAX_LENGTH = 30;
const END_OF_STRING = 256;

/** First code of each length, and its symbols in order. */
const first_code = new LuaMap<number, number>();
const symbols = new LuaMap<number, number[]>();
let next_code = 0;
for (const length of $range(MIN_LENGTH, MAX_LENGTH)) {
    const found: number[] = [];
    for (const symbol of $range(0, END_OF_STRING)) {
        if (byte(LENGTHS, symbol + 1) - 65 + MIN_LENGTH === length) {
            found.push(symbol);
        }
    }
    first_code.set(length, next_code);
    symbols.set(length, found);
    next_code = (next_code + found.length) * 2;
}

/** Returns the decoded string, or nil if it is malformed. */
function decode(s: string): string | undefined {
    const out: string[] = [];
    let code = 0;
    let length = 0;
    for (const i of $range(1, s.length)) {
        let rest = byte(s, i);
        for (const _ of $range(1, 8)) {
            rest = rest * 2;
            const bit = floor(rest / 256);
            rest = rest % 256;
            code = code * 2 + bit;
            length = length + 1;
            if (length >= MIN_LENGTH) {
                const candidates = symbols.get(length)!;
                const index = code - first_code.get(length)!;
                if (index < candidates.length) {
                    const symbol = candidates[index]!;
                    if (symbol === END_OF_STRING) {
                        return undefined;
                    }
                    out.push(char(symbol));
                    code = 0;
                    length = 0;
                }
            }
        }
    }
    // the last byte is filled with the first bits of END_OF_STRING, which are all 1
    if (length > 7 || code !== 2 ** length - 1) {
        return undefined;
    }
    return concat(out);
}

export { decode };
