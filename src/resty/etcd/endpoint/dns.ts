const find = string.find as StringFind;
const match = string.match;
const sub = string.sub;
const max = math.max;

/** Address and port, or only the address, as lua-resty-dns accepts them. */
type Nameserver = string | [host: string, port?: number];

interface Answer {
    readonly type: number;
    readonly address?: string;
}
interface Answers {
    /** Set if the nameserver returned an error. */
    readonly errstr?: string;
}
interface Resolver {
    readonly query: (this: Resolver, host: string, opts: { qtype: number }) => Result<Answers & Answer[]>;
}
interface ResolverOptions {
    readonly nameservers: Nameserver[];
    /** Timeout of one attempt in milliseconds. */
    readonly timeout: number;
    /** Number of attempts; they rotate over the nameservers. */
    readonly retrans: number;
    readonly no_random: boolean;
}
/** The part of lua-resty-dns that the driver uses. */
interface Library {
    readonly new: (this: Library, opts: ResolverOptions) => Result<Resolver>;
    readonly compress_ipv6_addr: (this: void, address: string) => string;
}

const RESOLV_CONF = "/etc/resolv.conf";
const DNS_PORT = 53;
/** Timeout of one attempt in milliseconds. */
const ATTEMPT_TIMEOUT = 1000;
/** Attempts of one query, at least one per nameserver. */
const MIN_ATTEMPTS = 3;

/** Record types. */
const A = 1;
const AAAA = 28;

/** Largest number of addresses of a name and a record type that are used. A cluster has 3 to 7 members. */
const MAX_ADDRESSES = 16;
/** Longest name in bytes (RFC 1035). */
const MAX_NAME = 253;

const COMPLETE_V4 = "^%d+%.%d+%.%d+%.%d+$";
const COMPLETE_V6 = "^%x+:%x+:%x+:%x+:%x+:%x+:%x+:%x+$";

/** Returns the library, or nil if it is not installed. */
function find_library(): Library | undefined {
    const [ok, module] = pcall(require, "resty.dns.resolver");
    return ok && typeof module === "object" ? (module as Library) : undefined;
}

/** Reports whether lua-resty-dns is installed. */
function is_installed(): boolean {
    return find_library() !== undefined;
}

/** Puts an IPv6 address in brackets, as nginx requires. */
function bracketed(address: string): string {
    const [colon] = find(address, ":", 1, true);
    return colon !== undefined && sub(address, 1, 1) !== "[" ? `[${address}]` : address;
}

/** Returns the nameservers in the text of a `resolv.conf`, without addresses that have a zone: nginx cannot use them. */
function in_resolv_conf(text: string): Nameserver[] {
    const nameservers: Nameserver[] = [];
    for (const [address] of string.gmatch(`\n${text}\n`, "\nnameserver[ \t]+([%x:.]+)%f[%s]")) {
        nameservers.push([bracketed(address!), DNS_PORT]);
    }
    return nameservers;
}

/** Returns the nameservers that `/etc/resolv.conf` lists. */
function system_nameservers(): Result<Nameserver[]> {
    const [file, err] = io.open(RESOLV_CONF);
    if (file === undefined) {
        return $multi(undefined, err);
    }
    const text: string | undefined = file.read("*a");
    file.close();
    const nameservers = in_resolv_conf(text ?? "");
    if (nameservers.length === 0) {
        return $multi(undefined, `no nameserver in ${RESOLV_CONF}`);
    }
    return $multi(nameservers);
}

/** Returns a copy of a nameserver that the user gave, because the library writes to its argument; nil if it is invalid. */
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

/** Checks and copies the option `nameservers`. */
function check_nameservers(given: unknown): Result<Nameserver[]> {
    const problem = "opts.resolve.nameservers must be array of addresses or of {address, port}";
    if (typeof given !== "object") {
        return $multi(undefined, problem);
    }
    const nameservers: Nameserver[] = [];
    for (const value of given as unknown[]) {
        const nameserver = to_nameserver(value);
        if (nameserver === undefined) {
            return $multi(undefined, problem);
        }
        nameservers.push(nameserver);
    }
    if (nameservers.length === 0) {
        return $multi(undefined, problem);
    }
    return $multi(nameservers);
}

/** Returns an address in short form, or nil if it is incomplete because the DNS response was truncated. */
function complete_address(library: Library, address: string, qtype: number): string | undefined {
    const [complete] = match(address, qtype === A ? COMPLETE_V4 : COMPLETE_V6);
    if (complete === undefined || qtype === A) {
        return complete;
    }
    return library.compress_ipv6_addr(complete);
}

/**
 * Returns the distinct addresses in a DNS response, sorted: nameservers rotate them, but the set has not changed then. Of more
 * than `MAX_ADDRESSES`, it has the first: all workers use the same ones.
 */
function addresses_in(library: Library, answers: Answer[], qtype: number): Result<string[]> {
    const all: string[] = [];
    for (const answer of answers) {
        if (answer.type === qtype) {
            const address = complete_address(library, answer.address ?? "", qtype);
            if (address === undefined) {
                return $multi(undefined, "malformed response");
            }
            all.push(address);
        }
    }
    table.sort(all);
    const distinct: string[] = [];
    for (const address of all) {
        if (address !== distinct[distinct.length - 1] && distinct.length < MAX_ADDRESSES) {
            distinct.push(address);
        }
    }
    return $multi(distinct);
}

/** Returns the result of a protected call of the library, which can throw on a malformed response. */
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
 * Queries the addresses of a host, which can take several seconds.
 * @param qtype `A` or `AAAA`
 * @returns the addresses, possibly none; or nil and an error text
 */
function query(nameservers: Nameserver[], host: string, qtype: number): Result<string[]> {
    if (host.length > MAX_NAME) {
        return $multi(undefined, "name too long");
    }
    const library = find_library()!;
    const retrans = max(MIN_ATTEMPTS, nameservers.length);
    const opts: ResolverOptions = { nameservers, timeout: ATTEMPT_TIMEOUT, retrans, no_random: true };
    const [is_created, created, create_err] = protected_call(library.new, library, opts);
    const [resolver, resolver_err] = guarded<Resolver>(is_created, created, create_err);
    if (resolver === undefined) {
        return $multi(undefined, resolver_err);
    }
    const [ok, response, query_err] = protected_call(resolver.query, resolver, host, { qtype });
    const [answers, err] = guarded<Answers & Answer[]>(ok, response, query_err);
    if (answers === undefined) {
        return $multi(undefined, err);
    }
    if (answers.errstr !== undefined) {
        return $multi(undefined, answers.errstr);
    }
    return addresses_in(library, answers, qtype);
}

export { A, AAAA, check_nameservers, in_resolv_conf, is_installed, query, system_nameservers, type Nameserver };
