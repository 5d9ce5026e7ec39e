import * as random from "./random";

const byte = string.byte;
const format = string.format;

/** Returns random bytes of the system, or of a weaker generator where /dev/urandom is missing, as in a bare chroot. */
function bytes(n: number): string {
    const [file] = io.open("/dev/urandom", "rb");
    if (file !== undefined) {
        const text: string | undefined = file.read(n);
        file.close();
        if (text !== undefined && text.length === n) {
            return text;
        }
    }
    let text = "";
    for (const _ of $range(1, n)) {
        text = text + string.char(random.below(256));
    }
    return text;
}

/** Returns a positive number of 52 random bits as decimal text: unique, and exact as a Lua number. */
function id(): string {
    const text = bytes(7);
    let value = (byte(text, 1) % 16) + 1;
    for (const i of $range(2, 7)) {
        value = value * 256 + byte(text, i);
    }
    return format("%d", value);
}

export { id };
