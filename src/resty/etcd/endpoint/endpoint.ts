import * as urls from "./url";

const find = string.find as StringFind;

/** One etcd member, as users see it. They may write to its fields: calls use what stands there. */
interface Endpoint {
    /** What unary calls are sent to: address, port, path and API prefix. */
    full_prefix: string;
    /** The endpoint as configured, in messages and for the health check. */
    http_host: string;
    scheme: string;
    /** Host name or address; `[v6]` with its brackets. */
    host: string;
    /** Where watches connect to. */
    address: string;
    /** Decimal text; nil for a unix socket. */
    port?: string;
    api_prefix: string;
    /** The name of which `host` is an address: it stays in `Host` and TLS. Nil unless the driver resolved it. */
    dns_name?: string;
}

/**
 * Makes an endpoint of its URL.
 * @param api_prefix `/v3`
 * @returns the endpoint; nil if the URL is none
 */
function create(url: string, api_prefix: string): Endpoint | undefined {
    const parsed = urls.parse(url);
    if (parsed === undefined) {
        return undefined;
    }
    const [http_host] = string.match(url, "^(.-)/*$");
    const authority = parsed.port !== undefined ? parsed.authority : `${parsed.host}:`;
    const endpoint: Endpoint = {
        full_prefix: `${parsed.scheme}://${authority}${parsed.path}${api_prefix}`,
        http_host: http_host ?? url,
        scheme: parsed.scheme,
        host: parsed.host,
        address: parsed.host,
        api_prefix: parsed.path + api_prefix,
    };
    if (parsed.port !== undefined) {
        endpoint.port = tostring(parsed.port);
    }
    return endpoint;
}

/**
 * The endpoint at an address of its host.
 * @param address IPv6 without brackets
 * @param api_prefix `/v3`
 */
function at_address(named: Endpoint, address: string, api_prefix: string): Endpoint {
    const [v6] = find(address, ":", 1, true);
    const host = v6 !== undefined ? `[${address}]` : address;
    const path = string.sub(named.api_prefix, 1, -1 - api_prefix.length);
    const made = create(`${named.scheme}://${host}:${named.port}${path}`, api_prefix);
    if (made === undefined) {
        return named; // users may have written to its fields
    }
    made.dns_name = named.host;
    return made;
}

export { at_address, create as new, type Endpoint };
