const find = string.find as StringFind;
const gmatch = string.gmatch;
const match = string.match;
const max = math.max;
const sub = string.sub;

/** Length of the longest IPv6 address, without brackets. */
const MAX_LENGTH = 45;

function is_ipv4(host: string): boolean {
    const [a, b, c, d] = match(host, "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$");
    return a !== undefined && max(tonumber(a)!, tonumber(b)!, tonumber(c)!, tonumber(d)!) <= 255;
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
    let end_at = 0;
    for (const [match_of_group] of gmatch(`${part}:`, "([^:]*):")) {
        const group = match_of_group!;
        end_at = end_at + group.length + 1;
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
    const [inner] = match(host, "^%[(.*)%]$");
    const address = inner ?? host;
    return is_ipv6(address) ? `[${address}]` : undefined;
}

export { normalize };
