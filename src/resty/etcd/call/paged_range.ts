import type { Message } from "../protocol/message";
import type { CallOptions, OnRetry, Outcome } from "./call";
import * as call from "./call";
import type { Core } from "./client_state";
import * as cluster from "./cluster";
import * as errors from "../protocol/errors";
import * as int64 from "../protocol/int64";
import * as gc_barrier from "../base/gc_barrier";
import * as rpcs from "../protocol/rpc";
import type { Reply } from "../transport/transport";

const min = math.min;
const max = math.max;
const floor = math.floor;

/** Keys in the first page. The size of later pages follows from the size of the values. */
const FIRST_PAGE = 64;
const MAX_PAGE = 4096;
/** Paged reads that can be interrupted by compactions before the range is read in one request. */
const MAX_PAGED_READS = 5;
/** Target size of a page in bytes. Larger pages mean fewer requests, for each of which etcd counts all keys again. */
const PAGE_BYTES = 256 * 1024;
/** Bytes of the longest response with a page, unless the page has a single key. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Part of the limit of a page that was too long, for the next attempt. */
const SHRINK = 1 / 8;
/** Longest directory, in longest responses: 512 MiB by default. */
const MAX_RESPONSES = 8;

interface Kv {
    key?: string;
    value?: string;
}

/** What the pages are read from. */
interface PageSource {
    /** The cluster; nil for that of the first page. */
    readonly cluster_id: string | undefined;
    /** The endpoint to ask first; nil for any. */
    readonly http_host: string | undefined;
    /** As in `CallOptions`. */
    readonly on_retry: OnRetry | undefined;
}

/** Called with each page before its values are decoded. */
type OnPage = (this: void, context: unknown, kvs: Kv[]) => void;

/** Returns the approximate size of a page in bytes. */
function size_of(kvs: Kv[]): number {
    let bytes = 1;
    for (const kv of kvs) {
        bytes = bytes + (kv.key ?? "").length + (kv.value ?? "").length + 64;
    }
    return bytes;
}

/** Returns the number of keys for the next page, from the size of the last one. */
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

/** Reads the range in one request, after the revision of the first page was compacted. */
function read_in_one_request(
    core: Core,
    request: Message,
    timeout: number | undefined,
    on_page: OnPage,
    context: unknown,
): Outcome<Reply> {
    const [reply, err, error_reply] = call.unary(core, rpcs.range, request, { timeout, quiet: true });
    if (reply === undefined) {
        return $multi(undefined, err, error_reply);
    }
    on_page(context, (reply.body.get("kvs") as Kv[] | undefined) ?? []);
    return $multi(reply);
}

/**
 * Reads a page. One of another cluster is dropped and read elsewhere: its revisions and keys have nothing to do with those
 * of the other pages.
 * @param cluster_id nil for any
 */
function read_page(core: Core, page: Message, options: CallOptions, cluster_id: string | undefined): Outcome<Reply> {
    let left = core.endpoints.length;
    while (true) {
        const [reply, err, error_reply] = call.unary(core, rpcs.range, page, options);
        if (reply === undefined) {
            return $multi(undefined, err, error_reply);
        }
        options.prefer = options.answered_by;
        const id = cluster.id_of(reply.body);
        if (cluster_id === undefined || id === undefined || id === cluster_id) {
            return $multi(reply);
        }
        cluster.accepts(core, id, options.answered_by!); // finds out which one is the stray, and reports that
        left = left - 1;
        if (left < 1) {
            const wanted = { id: cluster_id, member: core.cluster.id === cluster_id ? core.cluster.member : undefined };
            return $multi(undefined, errors.other_cluster(id, options.answered_by!, wanted));
        }
        options.prefer = core.cluster.id === cluster_id ? core.cluster.member : undefined;
    }
}

/**
 * Reads a page as `read_page` does, with fewer keys if the response is too long: its size is estimated from the page before.
 * @param limit number of keys; the `limit` of `page` is the one that the reply has
 */
function read_shrinking_page(
    core: Core,
    page: Message,
    limit: number,
    options: CallOptions,
    cluster_id: string | undefined,
): Outcome<Reply> {
    let size = limit;
    while (true) {
        page.set("limit", size);
        options.max_response_size = size > 1 ? min(MAX_PAGE_BYTES, core.max_response_size) : core.max_response_size;
        const [reply, err, error_reply] = read_page(core, page, options, cluster_id);
        if (reply !== undefined) {
            return $multi(reply);
        }
        if (err.name !== "response_too_large" || size === 1) {
            return $multi(undefined, err, error_reply);
        }
        size = max(1, floor(size * SHRINK));
        options.quiet = true;
    }
}

/** Reports whether the read is of the latest revision, not of one that the caller gave. */
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
    source: PageSource | undefined,
): Outcome<Reply> {
    const page = copy(request);
    let limit = FIRST_PAGE;
    const options: CallOptions = { timeout, prefer: source?.http_host, on_retry: source?.on_retry };
    const [reply, err, error_reply] = read_shrinking_page(core, page, limit, options, source?.cluster_id);
    if (reply === undefined) {
        return $multi(undefined, err, error_reply);
    }
    limit = page.get("limit") as number;
    const body = reply.body;
    const cluster_id = cluster.id_of(body);
    options.quiet = true;
    const all = (body.get("kvs") as Kv[] | undefined) ?? [];
    body.delete("more");
    const count = int64.to_number(body.get("count") ?? "0");
    if (count === undefined) {
        return $multi(undefined, errors.local_error("bad_reply", "malformed reply: count of keys"));
    }
    const is_latest = is_of_latest(request);
    if (is_latest) {
        page.set("revision", (body.get("header") as Message | undefined)?.get("revision"));
    }
    let kvs = all;
    let total = 0;
    // some servers that imitate etcd send no count: a full page then has a successor
    while (kvs.length > 0 && (all.length < count || (count === 0 && kvs.length >= limit))) {
        if (is_latest && is_of_latest(page)) {
            // pages of different revisions would form a state that never existed
            return $multi(undefined, errors.local_error("bad_reply", "malformed reply: page without revision"));
        }
        const bytes = size_of(kvs);
        // etcd fills every page but the last: short pages without end would mean millions of calls before the limit
        total = total + (kvs.length < limit ? max(bytes, PAGE_BYTES) : bytes);
        if (total > core.max_response_size * MAX_RESPONSES) {
            // a malicious server could send pages forever
            return $multi(undefined, errors.local_error("bad_reply", "malformed reply: directory too long"));
        }
        limit = next_size(kvs, bytes);
        const from = `${kvs[kvs.length - 1]!.key ?? ""}\0`;
        page.set("key", from);
        on_page(context, kvs);
        const [next_reply, next_err, next_error_reply] = read_shrinking_page(core, page, limit, options, cluster_id);
        if (next_reply === undefined) {
            return $multi(undefined, next_err, next_error_reply);
        }
        limit = page.get("limit") as number;
        kvs = (next_reply.body.get("kvs") as Kv[] | undefined) ?? [];
        if (kvs.length > 0 && (kvs[0]!.key ?? "") < from) {
            // a server that repeats keys would never end
            return $multi(
                undefined,
                errors.local_error("bad_reply", "malformed reply: page starts before the requested key"),
            );
        }
        for (const kv of kvs) {
            all.push(gc_barrier.mark_now(kv));
        }
    }
    on_page(context, kvs);
    return $multi(reply);
}

/**
 * Reads a range in pages, all at the revision of the first, so that no page occupies the worker for long. The reply equals
 * that of a single read.
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
    const [reply, err, error_reply] = read_pages(core, request, timeout, on_page, context, undefined);
    if (reply !== undefined) {
        return $multi(reply);
    }
    // no other endpoint is of the cluster of the first page, or its revision is compacted
    const must_repeat =
        err.name === "other_cluster" || (err.code === errors.Code.OUT_OF_RANGE && is_of_latest(request));
    if (must_repeat) {
        return read_in_one_request(core, request, timeout, on_page, context);
    }
    return $multi(undefined, err, error_reply);
}

function keep_raw(): void {
    // values stay raw
}

/**
 * Reads a range as `read_all` does, without decoding values. If the revision of the pages is compacted, the paged read is
 * repeated several times before the range is read in one request.
 */
function read_raw(core: Core, request: Message, timeout: number | undefined, source: PageSource): Outcome<Reply> {
    for (const _ of $range(1, MAX_PAGED_READS)) {
        const [reply, err, error_reply] = read_pages(core, request, timeout, keep_raw, undefined, source);
        if (reply !== undefined) {
            return $multi(reply);
        }
        if (err.code !== errors.Code.OUT_OF_RANGE || !is_of_latest(request)) {
            return $multi(undefined, err, error_reply);
        }
    }
    const options: CallOptions = { timeout, quiet: true, prefer: source.http_host, on_retry: source.on_retry };
    return read_page(core, request, options, source.cluster_id);
}

export { read_all, read_raw, type Kv, type PageSource };
