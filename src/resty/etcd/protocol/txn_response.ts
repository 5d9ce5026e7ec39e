import type { Message, RawKv } from "./message";

interface Response {
    response_range?: { kvs?: RawKv[] };
}

/** Returns the key that the first operation of a transaction has read, or nil if it was no read or the key is absent. */
function of_txn(body: Message): RawKv | undefined {
    const responses = body.get("responses") as Response[] | undefined;
    return responses?.[0]?.response_range?.kvs?.[0];
}

export { of_txn };
