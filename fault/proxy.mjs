#!/usr/bin/env node
// A byte proxy that delays, cuts or refuses connections on command.
//
//   proxy.mjs SEED HOST:PORT...     one link per target; prints {"control": PORT, "ports": [PORT...]} in one line
//
// One control connection receives commands, one JSON object per line. Each response is one line with the counts of all
// links, {"connects", "cuts", "up", "down"} (bytes passed to and from the target). The proxy exits when that connection is
// closed, or if none is opened within 10 s. A command sets the mode of the links in `links` (from 1; default all) and
// resets their byte counts; without `mode` it changes nothing.
//
//   {"mode": "pass"}
//   {"mode": "hold"}                          accepts connections and bytes, and passes none until the mode changes
//   {"mode": "delay", "ms": 50}               in both directions
//   {"mode": "cut", "every": 5}               cuts all connections, every 5 ms on average, by FIN or RST at random
//   {"mode": "request", "bytes": 10}          passes 10 bytes to the target, then cuts
//   {"mode": "reply", "bytes": 10}            passes 10 bytes from the target, then cuts
//   {"mode": "refuse"}                        resets all connections, and each new one immediately
//
// With `"reset": true` or `false` a cut is always an RST, or always a FIN (the default of "request" and "reply").

import net from "node:net";
import readline from "node:readline";

const [seed, ...targets] = process.argv.slice(2);

let state = Number(seed) >>> 0;

/** Returns a number from 0 to 1 that depends only on the seed (mulberry32). */
function random() {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

function listen(onConnection) {
    return new Promise((resolve, reject) => {
        const server = net.createServer({ noDelay: true, allowHalfOpen: true }, onConnection);
        server.once("error", reject);
        server.listen({ port: 0, host: "127.0.0.1", backlog: 2048 }, () => resolve(server));
    });
}

/** Closes a socket. Bytes written before an RST can be lost, as on real networks. */
function end(socket, reset) {
    if (reset && !socket.connecting) {
        socket.resetAndDestroy();
    } else {
        socket.destroy();
    }
}

class Link {
    plan = { mode: "pass" };
    pairs = new Set();
    counts = { connects: 0, cuts: 0, up: 0, down: 0 };
    timer = undefined;

    constructor(target) {
        const [host, port] = target.split(":");
        this.target = { host, port: Number(port), noDelay: true, allowHalfOpen: true };
    }

    set(plan) {
        clearTimeout(this.timer);
        this.plan = plan;
        this.counts.up = 0;
        this.counts.down = 0;
        for (const pair of this.pairs) {
            pair.passed = { up: 0, down: 0 };
            this.release(pair);
            if (plan.mode === "refuse") {
                this.cut(pair, true);
            }
        }
        if (plan.mode === "cut") {
            this.cutAgain();
        }
    }

    cutAgain() {
        this.timer = setTimeout(
            () => {
                for (const pair of this.pairs) {
                    this.cut(pair, this.plan.reset ?? random() < 0.5);
                }
                this.cutAgain();
            },
            -Math.log(1 - random()) * this.plan.every, // exponential, so that longer calls sometimes complete
        );
    }

    cut(pair, reset) {
        if (this.pairs.delete(pair)) {
            this.counts.cuts++;
            end(pair.client, reset);
            end(pair.server, reset);
        }
    }

    accept(client) {
        this.counts.connects++;
        if (this.plan.mode === "refuse") {
            client.on("error", () => {});
            end(client, true);
            return;
        }
        const server = net.connect(this.target);
        const pair = { client, server, passed: { up: 0, down: 0 }, held: [] };
        this.pairs.add(pair);
        this.pipe(pair, client, server, "up");
        this.pipe(pair, server, client, "down");
    }

    pipe(pair, from, to, direction) {
        from.on("data", bytes => this.pass(pair, to, direction, bytes));
        from.on("end", () => this.later(pair, () => to.end()));
        from.on("error", () => this.later(pair, () => this.drop(pair)));
        from.on("close", () => this.later(pair, () => this.drop(pair)));
    }

    /** Closes a pair after one side has ended. */
    drop(pair) {
        if (this.pairs.delete(pair)) {
            pair.client.destroySoon();
            pair.server.destroySoon();
        }
    }

    /** Runs an action as soon as the mode allows bytes to pass. */
    later(pair, action) {
        if (this.plan.mode === "hold") {
            pair.held.push(action);
        } else if (this.plan.mode === "delay") {
            setTimeout(action, this.plan.ms);
        } else {
            action();
        }
    }

    release(pair) {
        if (this.plan.mode !== "hold") {
            for (const action of pair.held.splice(0)) {
                action();
            }
        }
    }

    pass(pair, to, direction, bytes) {
        this.later(pair, () => {
            const limit = this.plan.mode === (direction === "up" ? "request" : "reply") ? this.plan.bytes : Infinity;
            const part = bytes.subarray(0, Math.max(0, limit - pair.passed[direction]));
            pair.passed[direction] += part.length;
            this.counts[direction] += part.length;
            if (to.destroyed) {
                return;
            }
            if (pair.passed[direction] < limit) {
                to.write(part);
            } else {
                to.write(part, () => this.cut(pair, this.plan.reset === true));
            }
        });
    }
}

const links = targets.map(target => new Link(target));
const servers = await Promise.all(links.map(link => listen(client => link.accept(client))));
const orphaned = setTimeout(() => process.exit(1), 10_000);
const control = await listen(socket => {
    clearTimeout(orphaned);
    socket.on("close", () => process.exit(0));
    socket.on("error", () => process.exit(0));
    readline
        .createInterface({ input: socket })
        .on("line", line => {
            const { links: chosen, ...plan } = JSON.parse(line);
            if (plan.mode !== undefined) {
                for (const link of chosen === undefined ? links : chosen.map(i => links[i - 1])) {
                    link.set(plan);
                }
            }
            socket.write(`${JSON.stringify(links.map(link => link.counts))}\n`);
        })
        .on("close", () => process.exit(0));
});
console.log(JSON.stringify({ control: control.address().port, ports: servers.map(server => server.address().port) }));
