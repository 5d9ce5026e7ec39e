const byte = string.byte;
const find = string.find as StringFind;
const gmatch = string.gmatch;
const match = string.match;
const sub = string.sub;

/** Length of the longest IPv6 address, without brackets. */
const MAX_LENGTH = 45;
/** Length of the longest name that DNS knows. */
const MAX_NAME_LENGTH = 253;
const MAX_LABEL_LENGTH = 63;

/** Reports whether digits are a byte of an IPv4 address. With a leading zero, some programs take them for octal. */
function is_byte(digits: string | undefined): boolean {
    return digits !== undefined && (digits === "0" || byte(digits) !== 48) && tonumber(digits)! <= 255;
}

/** Reports whether a text is an IPv4 address with four decimal numbers. */
function is_ipv4(host: string): boolean {
    const [a, b, c, d] = match(host, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$");
    return is_byte(a) && is_byte(b) && is_byte(c) && is_byte(d);
}

/**
 * Counts the groups of 16 bits in a part of an IPv6 address that has no `::`.
 * @param is_end whether it is the end of the address, which can have the form of IPv4
 * @returns nil if the part is invalid
 */
function count_groups(part: string, is_end: boolean): number | undefined {
    if (part === "") {
        return 0;
    }
    let count = 0;
    let from = 1;
    while (from <= part.length + 1) {
        const [colon] = find(part, ":", from, true);
        const end_at = colon ?? part.length + 1;
        const group = sub(part, from, end_at - 1);
        from = end_at + 1;
        if (find(group, "^%x%x?%x?%x?$")[0] !== undefined) {
            count = count + 1;
        } else if (is_end && end_at > part.length && is_ipv4(group)) {
            count = count + 2;
        } else {
            return undefined;
        }
    }
    return count;
}

/** Reports whether a text is an IPv6 address without brackets. */
function is_ipv6(text: string): boolean {
    if (text.length > MAX_LENGTH) {
        return false;
    }
    const [gap] = find(text, "::", 1, true);
    if (gap === undefined) {
        return count_groups(text, true) === 8;
    }
    const before = count_groups(sub(text, 1, gap - 1), false);
    const after = count_groups(sub(text, gap + 2), true);
    return before !== undefined && after !== undefined && before + after <= 7;
}

/** Returns an IP address in the form that nginx's `set_current_peer` accepts, IPv6 in brackets; nil for other hosts. */
function normalize(host: string): string | undefined {
    if (is_ipv4(host)) {
        return host;
    }
    const is_bracketed = byte(host) === 91 && byte(host, -1) === 93;
    const address = is_bracketed ? sub(host, 2, -2) : host;
    return is_ipv6(address) ? `[${address}]` : undefined;
}

/**
 * Reports whether a text is a host name: labels of letters, digits, `-` and `_`. The last label contains a letter, because
 * programs take other names for IPv4 addresses.
 */
function is_hostname(text: string): boolean {
    const [named] = find(text, "^[%w_][%w_%-%.]*$");
    const [gap] = find(text, "..", 1, true);
    if (named === undefined || gap !== undefined || text.length > MAX_NAME_LENGTH) {
        return false;
    }
    let last = "";
    for (const [label] of gmatch(text, "[^.]+")) {
        last = label!;
        if (last.length > MAX_LABEL_LENGTH) {
            return false;
        }
    }
    return find(last, "%a")[0] !== undefined;
}

export { is_hostname, normalize };
