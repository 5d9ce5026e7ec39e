/** The servers that this worker has connections to. Clients with the same address share them. */
import type { Peer } from "./types";

/** Servers that are kept, in addition to those that have a connection. */
const MAX_PEERS = 1000;

/** Seconds without a byte after which a connection with streams sends PING: etcd ends connections that send more than one in 5 s. */
const PING_INTERVAL = 6;

let peers = new LuaMap<string, Peer>();
let count = 0;

/** Forgets the servers without connection. */
function forget_unused(): void {
    const used = new LuaMap<string, Peer>();
    count = 0;
    for (const [name, peer] of peers) {
        if (peer.connection !== undefined) {
            used.set(name, peer);
            count = count + 1;
        }
    }
    peers = used;
}

/**
 * Returns the server at an address.
 * @param host host name, address, or `unix:/path`
 * @param port nil for a unix socket
 */
function at(host: string, port: number | undefined): Peer {
    const name = port !== undefined ? `${host}:${port}` : host;
    let peer = peers.get(name);
    if (peer === undefined) {
        if (count >= MAX_PEERS) {
            forget_unused();
        }
        peer = {
            name,
            host,
            port,
            connection: undefined,
            failures: 0,
            next_dial_at: 0,
            last_fault: undefined,
            ping_interval: PING_INTERVAL,
        };
        peers.set(name, peer);
        count = count + 1;
    }
    return peer;
}

export { at };
