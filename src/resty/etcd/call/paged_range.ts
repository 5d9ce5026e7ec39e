import type { Message } from "../protocol/message";
import type { Outcome } from "./call";
import * as call from "./call";
import type { Core } from "./client_state";
import * as errors from "../protocol/errors";
import * as int64 from "../protocol/int64";
import * as gc_barrier from "../base/gc_barrier";
import * as rpcs from "../protocol/rpc";
import type { Reply } from "../transport/transport";

const min = math.min;
const max = math.max;
const floor = math.floor;

/** Keys in the first page; later ones follow from how large the values are. */
const FIRST_PAGE = 64;
const MAX_PAGE = 4096;
/** gRPC code of a read at a revision that is no more. */
const COMPACTED = 11;
/** Where compactions come faster than pages, all is read at once after so many tries. */
const TRIES = 5;
/** Bytes of a page. With larger ones there are fewer requests, for each of which etcd counts all keys anew. */
const PAGE_BYTES = 256 * 1024;
/** As for one reply: no directory of etcd's comes near. */
const MAX_BYTES = 512 * 1024 * 1024;

interface Kv {
    key?: string;
    value?: string;
}

/** Called with the keys of each page while its values are raw. */
type OnPage = (this: void, context: unknown, kvs: Kv[]) => void;

/** About how many bytes a page holds. */
function size_of(kvs: Kv[]): number {
    let bytes = 1;
    for (const kv of kvs) {
        bytes = bytes + (kv.key ?? "").length + (kv.value ?? "").length + 64;
    }
    return bytes;
}

/** How many keys of this kind make a page. */
function next_size(kvs: Kv[], bytes: number): number {
    return max(1, min(MAX_PAGE, floor((PAGE_BYTES * kvs.length) / bytes)));
}

function copy(request: Message): Message {
    const page: Message = new LuaMap();
    for (const [name, value] of request) {
        page.set(name, value);
    }
    return page;
}

/** Reads the range once more, at once: the revision of the first page was compacted away. */
function read_at_once(
    core: Core,
    request: Message,
    timeout: number | undefined,
    on_page: OnPage,
    context: unknown,
): Outcome<Reply> {
    const [reply, err, refusal] = call.unary(core, rpcs.range, request, { timeout, quiet: true });
    if (reply === undefined) {
        return $multi(undefined, err, refusal);
    }
    on_page(context, (reply.body.get("kvs") as Kv[] | undefined) ?? []);
    return $multi(reply);
}

/** The read is of what is latest, not of a revision that its caller gave. */
function is_of_latest(request: Message): boolean {
    return (int64.to_text(request.get("revision")) ?? "0") === "0";
}

/** Reads the range in pages, all at the revision of the first. */
function read_pages(
    core: Core,
    request: Message,
    timeout: number | undefined,
    on_page: OnPage,
    context: unknown,
): Outcome<Reply> {
    const page = copy(request);
    let limit = FIRST_PAGE;
    page.set("limit", limit);
    const [reply, err, refusal] = call.unary(core, rpcs.range, page, { timeout });
    if (reply === undefined) {
        return $multi(undefined, err, refusal);
    }
    const body = reply.body;
    const all = (body.get("kvs") as Kv[] | undefined) ?? [];
    body.delete("more");
    const count = tonumber(body.get("count")) ?? 0;
    const is_latest = is_of_latest(request);
    if (is_latest) {
        page.set("revision", (body.get("header") as Message | undefined)?.get("revision"));
    }
    let kvs = all;
    let total = 0;
    // what only resembles etcd may tell no count: there a full page has a successor
    while (kvs.length > 0 && (all.length < count || (count === 0 && kvs.length >= limit))) {
        if (is_latest && is_of_latest(page)) {
            // pages of different revisions make a state that never was
            return $multi(undefined, errors.local_error("bad_reply", "malformed reply: a page without its revision"));
        }
        const bytes = size_of(kvs);
        total = total + bytes;
        if (total > MAX_BYTES) {
            // it need not ever end
            return $multi(undefined, errors.local_error("bad_reply", "malformed reply: directory too long"));
        }
        limit = next_size(kvs, bytes);
        const from = `${kvs[kvs.length - 1]!.key ?? ""}\0`;
        page.set("limit", limit);
        page.set("key", from);
        on_page(context, kvs);
        const [next_reply, next_err, next_refusal] = call.unary(core, rpcs.range, page, { timeout, quiet: true });
        if (next_reply === undefined) {
            return $multi(undefined, next_err, next_refusal);
        }
        kvs = (next_reply.body.get("kvs") as Kv[] | undefined) ?? [];
        if (kvs.length > 0 && (kvs[0]!.key ?? "") < from) {
            // it would never end
            return $multi(undefined, errors.local_error("bad_reply", "malformed reply: keys before those asked for"));
        }
        for (const kv of kvs) {
            all.push(gc_barrier.mark_now(kv));
        }
    }
    on_page(context, kvs);
    return $multi(reply);
}

/**
 * Reads a range that may be large in pages, all at the revision of the first, so that the worker is never
 * busy with one of them for long. The reply is that of one read of all.
 * @param request without limit and in key order
 * @param timeout for each page
 */
function read_all(
    core: Core,
    request: Message,
    timeout: number | undefined,
    on_page: OnPage,
    context: unknown,
): Outcome<Reply> {
    const [reply, err, refusal] = read_pages(core, request, timeout, on_page, context);
    if (reply !== undefined) {
        return $multi(reply);
    }
    if (err.code === COMPACTED && is_of_latest(request)) {
        return read_at_once(core, request, timeout, on_page, context);
    }
    return $multi(undefined, err, refusal);
}

function leave_as_it_is(): void {
    // values stay raw
}

/**
 * The same, with values left as they are. Pages whose revision is compacted away meanwhile are read anew, before
 * all is read at once.
 */
function read_raw(core: Core, request: Message, timeout: number | undefined): Outcome<Reply> {
    for (const _ of $range(1, TRIES)) {
        const [reply, err, refusal] = read_pages(core, request, timeout, leave_as_it_is, undefined);
        if (reply !== undefined) {
            return $multi(reply);
        }
        if (err.code !== COMPACTED || !is_of_latest(request)) {
            return $multi(undefined, err, refusal);
        }
    }
    return read_at_once(core, request, timeout, leave_as_it_is, undefined);
}

export { read_all, read_raw, type Kv };
