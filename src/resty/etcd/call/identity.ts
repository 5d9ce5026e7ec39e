import * as digest from "../base/digest";
import * as dns_endpoints from "../endpoint/dns_endpoints";
import type { Endpoint } from "../endpoint/endpoint";
import type { Core } from "./client_state";

/*
 * What decides what a server answers to a client. State that several clients share has this in its name: two clients that
 * differ in one of these things never find each other's state. Names are digests, because they are in shared dicts and
 * files, and an identity contains passwords and header fields.
 *
 * Not included is what changes no answer: timeouts, the serializer, health checks, the size of pools, and what the driver
 * adopts from DNS and from the list of members.
 */

const field = digest.field;

/** Returns where the calls and the watches of an endpoint go. Programs can have written anything to its fields. */
function of_endpoint(endpoint: Endpoint): string {
    const { scheme, address, port, api_prefix } = endpoint as Partial<Endpoint>;
    const watches = `${tostring(scheme)}://${tostring(address)}:${tostring(port)}${tostring(api_prefix)}`;
    return field("calls", tostring(endpoint.full_prefix)) + field("watches", watches);
}

/** Returns the endpoints that the program gave, in the order of their texts. */
function of_endpoints(core: Core): string {
    const texts: string[] = [];
    for (const endpoint of dns_endpoints.given(core)) {
        texts.push(of_endpoint(endpoint));
    }
    table.sort(texts);
    let all = "";
    for (const text of texts) {
        all = all + field("endpoint", text);
    }
    return all;
}

/** Returns the name of how a client reaches an endpoint, whichever it is. It contains a path: only for names in memory. */
function of_route(core: Core): string {
    return field("transport", core.transport.identity) + field("proxy", core.unix_socket_proxy);
}

/** Returns the name of the client's login, or of none. */
function of_login(core: Core): string {
    const auth = core.auth;
    if (auth === undefined) {
        return field("user", undefined);
    }
    return field("user", auth.user) + field("password", auth.password) + field("optional", tostring(auth.is_optional));
}

/** Returns the name of what the servers of a client answer to it: for tokens. */
function of_client(core: Core): string {
    return digest.slow(
        field("endpoints", of_endpoints(core)) +
            field("resolver", core.dns?.identity) +
            field("route", of_route(core)) +
            field("login", of_login(core)),
    );
}

/** Returns the name of the state of a range as a client sees it: for logs and snapshot files. */
function of_range(core: Core, key: string, range_end: string | undefined): string {
    return digest.of(field("client", of_client(core)) + field("key", key) + field("range_end", range_end));
}

/** Returns the name of the health of endpoints, as a client sees it: logins do not matter for it. */
function of_health(core: Core): string {
    return digest.slow(of_route(core));
}

export { of_client, of_health, of_range, of_route };
