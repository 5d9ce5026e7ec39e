import type { Message, RawKv } from "./message";

interface Response {
    response_range?: { kvs?: RawKv[] };
}

/** The key that the first operation of a transaction has read; nil if it has not, or there was none. */
function of_txn(body: Message): RawKv | undefined {
    const responses = body.get("responses") as Response[] | undefined;
    return responses?.[0]?.response_range?.kvs?.[0];
}

export { of_txn };
