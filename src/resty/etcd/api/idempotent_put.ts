import type { ClientState } from "../call/client_state";
import type { Header, Message } from "../protocol/message";
import type { Outcome } from "../call/call";
import * as call from "../call/call";
import * as clock from "../base/clock";
import * as idempotency from "../call/idempotency";
import * as rpcs from "../protocol/rpc";
import type { Reply } from "../transport/transport";

/** Returns the key-value pair as it was before a put applied at `revision`, or nil if it cannot be read (compacted). */
function read_before(cli: ClientState, key: unknown, revision: string, timeout: number, deadline: number): unknown {
    const before = (tonumber(revision) ?? 1) - 1;
    const [reply] = call.unary(cli, rpcs.range, { key, revision: before }, { timeout, deadline, quiet: true });
    if (reply === undefined) {
        return undefined;
    }
    const kvs = (reply.body.get("kvs") as unknown[] | undefined) ?? [];
    return kvs[0];
}

/** Runs a put as a transaction with an idempotency marker, and returns the reply in the form of a put. */
function put(cli: ClientState, request: Message, timeout: number, wants_prev_kv: boolean): Outcome<Reply> {
    const txn: Message = new LuaMap();
    txn.set("success", [{ request_put: request }]);
    const deadline = timeout > 0 ? clock.now() + timeout : math.huge;
    const [reply, err, error_reply] = idempotency.run(cli, txn, timeout);
    if (reply === undefined) {
        return $multi(undefined, err, error_reply);
    }
    const done = reply.body as unknown as {
        header: Header;
        replayed?: true;
        responses?: { response_put?: { prev_kv?: unknown } }[];
    };
    const body: Message = new LuaMap();
    body.set("header", done.header);
    if (done.replayed === true) {
        body.set("replayed", true);
        if (wants_prev_kv) {
            body.set("prev_kv", read_before(cli, request.get("key"), done.header.revision, timeout, deadline));
        }
    } else if (done.responses !== undefined) {
        body.set("prev_kv", done.responses[0]?.response_put?.prev_kv);
    }
    reply.body = body;
    return $multi(reply);
}

export { put };
