import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as completeness from "../protocol/completeness";
import type { Message, RawKv } from "../protocol/message";
import type { Rpc } from "../protocol/rpc";
import * as rpcs from "../protocol/rpc";

/*
 * What a reply of etcd always contains, whatever the call. Codecs check types only: all fields of a message can be absent,
 * so that a JSON object of any other server is a valid message.
 */

type Kv = Partial<RawKv>;

interface RangeReply {
    readonly kvs?: readonly Kv[];
}

interface PutReply {
    readonly prev_kv?: Kv;
}

interface DeleteReply {
    readonly prev_kvs?: readonly Kv[];
}

interface TxnReply {
    readonly responses?: readonly {
        readonly response_range?: RangeReply;
        readonly response_put?: PutReply;
        readonly response_delete_range?: DeleteReply;
        readonly response_txn?: TxnReply;
    }[];
}

function lacks_key(kv: Kv | undefined): boolean {
    return kv !== undefined && !completeness.has_key(kv);
}

function has_kv_without_key(kvs: readonly Kv[] | undefined, slice: TimeSlice): boolean {
    if (kvs === undefined) {
        return false;
    }
    for (const kv of kvs) {
        if (lacks_key(kv)) {
            return true;
        }
        time_slice.yield_if_due(slice);
    }
    return false;
}

/** Reports whether a response to an operation of a transaction has a kv without key, at any depth. */
function has_response_without_key(txn: TxnReply, slice: TimeSlice): boolean {
    for (const { response_range, response_put, response_delete_range, response_txn } of txn.responses ?? []) {
        if (
            has_kv_without_key(response_range?.kvs, slice) ||
            lacks_key(response_put?.prev_kv) ||
            has_kv_without_key(response_delete_range?.prev_kvs, slice) ||
            (response_txn !== undefined && has_response_without_key(response_txn, slice))
        ) {
            return true;
        }
    }
    return false;
}

/** Reports whether a kv in a reply has no key. Fields that the schema of the reply does not contain are not looked at. */
function has_incomplete_kv(rpc: Rpc, body: unknown): boolean {
    if (rpc === rpcs.put) {
        return lacks_key((body as PutReply).prev_kv);
    }
    const slice = time_slice.start();
    if (rpc === rpcs.range) {
        return has_kv_without_key((body as RangeReply).kvs, slice);
    }
    if (rpc === rpcs.delete_range) {
        return has_kv_without_key((body as DeleteReply).prev_kvs, slice);
    }
    return rpc === rpcs.txn && has_response_without_key(body as TxnReply, slice);
}

function has_revision(body: Message): boolean {
    const header = body.get("header") as Message | undefined;
    return completeness.is_counted(header?.get("revision") as string | undefined);
}

/**
 * Reports whether a reply without a header is a read nevertheless, because it holds keys or their number: programs test
 * with such replies, and other servers do not send them by accident.
 */
function is_read_without_header(rpc: Rpc, body: Message): boolean {
    return rpc === rpcs.range && (body.get("kvs") !== undefined || body.get("count") !== undefined);
}

/** Returns what is wrong with a reply to an RPC; nil if it is complete. Yields while it handles many keys. */
function problem_of(rpc: Rpc, body: Message): Problem {
    if (rpc.has_revision !== true) {
        return undefined;
    }
    if (!has_revision(body) && !is_read_without_header(rpc, body)) {
        return "malformed reply: response header without revision";
    }
    if (has_incomplete_kv(rpc, body)) {
        return "malformed reply: key-value pair without key";
    }
    return undefined;
}

export { problem_of };
