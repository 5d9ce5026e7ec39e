import * as urls from "./url";

const find = string.find as StringFind;

/** An endpoint, as users see it in `client.endpoints`. They can write to its fields: calls use the current values. */
interface Endpoint {
    /** Base URL of unary calls: scheme, address, port, path and API prefix. */
    full_prefix: string;
    /** The endpoint as configured: used in messages and by the health checks. */
    http_host: string;
    scheme: string;
    /** Host name or address; IPv6 in brackets. */
    host: string;
    /** Host that watches connect to. */
    address: string;
    /** Decimal text; nil for a unix socket. */
    port?: string;
    api_prefix: string;
    /** Name that was resolved to `host`, used for the `Host` header and TLS; nil unless the driver resolved it. */
    dns_name?: string;
}

/**
 * Creates the endpoint of a URL.
 * @param api_prefix `/v3`
 * @returns the endpoint, or nil if the URL is invalid
 */
function create(url: string, api_prefix: string): Endpoint | undefined {
    const parsed = urls.parse(url);
    if (parsed === undefined) {
        return undefined;
    }
    const authority = parsed.port !== undefined ? parsed.authority : `${parsed.host}:`;
    const endpoint: Endpoint = {
        full_prefix: `${parsed.scheme}://${authority}${parsed.path}${api_prefix}`,
        http_host: urls.without_trailing_slashes(url),
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
 * Returns a copy of an endpoint that connects to an address of its host.
 * @param address IPv6 without brackets
 * @param api_prefix `/v3`
 */
function at_address(named: Endpoint, address: string, api_prefix: string): Endpoint {
    const [v6] = find(address, ":", 1, true);
    const host = v6 !== undefined ? `[${address}]` : address;
    const path = string.sub(named.api_prefix, 1, -1 - api_prefix.length);
    const endpoint = create(`${named.scheme}://${host}:${named.port}${path}`, api_prefix);
    if (endpoint === undefined) {
        return named; // a user has written invalid values to its fields
    }
    endpoint.dns_name = named.host;
    return endpoint;
}

export { at_address, create as new, type Endpoint };
