const find = string.find as StringFind;
const match = string.match;
const sub = string.sub;
const max = math.max;

/** Address and port, or the address alone, as lua-resty-dns takes them. */
type Nameserver = string | [host: string, port?: number];

interface Answer {
    readonly type: number;
    readonly address?: string;
}
interface Answers {
    /** Set where the nameserver has no answer. */
    readonly errstr?: string;
}
interface Resolver {
    readonly query: (this: Resolver, host: string, opts: { qtype: number }) => Result<Answers & Answer[]>;
}
interface ResolverOptions {
    readonly nameservers: Nameserver[];
    /** Milliseconds for one try. */
    readonly timeout: number;
    /** Tries, by turns at each nameserver. */
    readonly retrans: number;
    readonly no_random: boolean;
}
/** The part of lua-resty-dns that is used. */
interface Library {
    readonly new: (this: Library, opts: ResolverOptions) => Result<Resolver>;
    readonly compress_ipv6_addr: (this: void, address: string) => string;
}

const RESOLV_CONF = "/etc/resolv.conf";
const DNS_PORT = 53;
const TRY_MS = 1000;
const MIN_TRIES = 3;

/** Record types. */
const A = 1;
const AAAA = 28;

const WHOLE_V4 = "^%d+%.%d+%.%d+%.%d+$";
const WHOLE_V6 = `^%x+${string.rep(":%x+", 7)}$`;

/** The library; nil where it is not installed. */
function find_library(): Library | undefined {
    const [found, module] = pcall(require, "resty.dns.resolver");
    return found && typeof module === "object" ? (module as Library) : undefined;
}

/** True where lua-resty-dns is installed. */
function is_installed(): boolean {
    return find_library() !== undefined;
}

/** nginx wants an IPv6 address in brackets. */
function bracketed(address: string): string {
    const [colon] = find(address, ":", 1, true);
    return colon !== undefined && sub(address, 1, 1) !== "[" ? `[${address}]` : address;
}

/** The nameservers that a `resolv.conf` names. nginx cannot use addresses with a zone. */
function in_resolv_conf(text: string): Nameserver[] {
    const found: Nameserver[] = [];
    for (const [address] of string.gmatch(`\n${text}\n`, "\nnameserver[ \t]+([%x:.]+)%f[%s]")) {
        found.push([bracketed(address!), DNS_PORT]);
    }
    return found;
}

/** The nameservers of this machine. */
function system_nameservers(): Result<Nameserver[]> {
    const [file, err] = io.open(RESOLV_CONF);
    if (file === undefined) {
        return $multi(undefined, err);
    }
    const text: string | undefined = file.read("*a");
    file.close();
    const found = in_resolv_conf(text ?? "");
    if (found.length === 0) {
        return $multi(undefined, `no nameserver in ${RESOLV_CONF}`);
    }
    return $multi(found);
}

/** A user's nameserver in a table of our own, as the library writes to what it is given; nil if it is none. */
function to_nameserver(value: unknown): Nameserver | undefined {
    let host = value;
    let port: unknown = DNS_PORT;
    if (typeof value === "object") {
        const pair = value as unknown[];
        host = pair[0];
        if (pair[1] !== undefined) {
            port = pair[1];
        }
    }
    if (typeof host !== "string" || typeof port !== "number") {
        return undefined;
    }
    return [bracketed(host), port];
}

/** Checks what a user gives for nameservers. */
function check_nameservers(given: unknown): Result<Nameserver[]> {
    const wrong = "opts.resolve.nameservers must be array of addresses or of {address, port}";
    if (typeof given !== "object") {
        return $multi(undefined, wrong);
    }
    const found: Nameserver[] = [];
    for (const value of given as unknown[]) {
        const nameserver = to_nameserver(value);
        if (nameserver === undefined) {
            return $multi(undefined, wrong);
        }
        found.push(nameserver);
    }
    if (found.length === 0) {
        return $multi(undefined, wrong);
    }
    return $multi(found);
}

/** An address as the library writes it, in its short form; nil for one that was cut off with the answer. */
function whole_address(library: Library, address: string, qtype: number): string | undefined {
    const [whole] = match(address, qtype === A ? WHOLE_V4 : WHOLE_V6);
    if (whole === undefined || qtype === A) {
        return whole;
    }
    return library.compress_ipv6_addr(whole);
}

/** The addresses among the answers, each once, in an order that stays the same while they do. */
function addresses_in(library: Library, answers: Answer[], qtype: number): Result<string[]> {
    const all: string[] = [];
    for (const answer of answers) {
        if (answer.type === qtype) {
            const address = whole_address(library, answer.address ?? "", qtype);
            if (address === undefined) {
                return $multi(undefined, "malformed answer");
            }
            all.push(address);
        }
    }
    table.sort(all);
    const found: string[] = [];
    for (const address of all) {
        if (address !== found[found.length - 1]) {
            found.push(address);
        }
    }
    return $multi(found);
}

/** The library may throw on what a hostile server sends. */
function guarded<T>(ok: boolean, value: unknown, err: unknown): Result<T> {
    if (!ok) {
        return $multi(undefined, tostring(value));
    }
    if (value === undefined) {
        return $multi(undefined, tostring(err));
    }
    return $multi(value as T);
}

/**
 * Asks for the addresses of a host, which may take some seconds.
 * @param qtype `A` or `AAAA`
 * @returns the addresses, which may be none; or nil and why nobody knows
 */
function ask(nameservers: Nameserver[], host: string, qtype: number): Result<string[]> {
    const library = find_library()!;
    const retrans = max(MIN_TRIES, nameservers.length);
    const opts: ResolverOptions = { nameservers, timeout: TRY_MS, retrans, no_random: true };
    const [made, found, find_err] = protected_call(library.new, library, opts);
    const [resolver, make_err] = guarded<Resolver>(made, found, find_err);
    if (resolver === undefined) {
        return $multi(undefined, make_err);
    }
    const [done, got, got_err] = protected_call(resolver.query, resolver, host, { qtype });
    const [answers, err] = guarded<Answers & Answer[]>(done, got, got_err);
    if (answers === undefined) {
        return $multi(undefined, err);
    }
    if (answers.errstr !== undefined) {
        return $multi(undefined, answers.errstr);
    }
    return addresses_in(library, answers, qtype);
}

export { A, AAAA, ask, check_nameservers, in_resolv_conf, is_installed, system_nameservers, type Nameserver };
