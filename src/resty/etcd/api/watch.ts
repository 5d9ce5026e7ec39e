import type { ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import * as checks from "../base/checks";
import type { Header, Integer, KeyValue, Message } from "../protocol/message";
import * as balancer from "../endpoint/balancer";
import * as call from "../call/call";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as rpcs from "../protocol/rpc";
import * as time_slice from "../base/time_slice";
import type { Stream } from "../transport/transport";
import * as request_options from "./request_options";
import * as result from "./result";
import type { CallOptions } from "./kv";

interface WatchOptions extends CallOptions {
    /** First revision to report; default: what comes after now. */
    start_revision?: Integer;
    /** Also answer replies without events, which tell how far etcd has come. */
    progress_notify?: boolean;
    /** "NOPUT", "NODELETE", or their numbers; one or an array. */
    filters?: string | number | (string | number)[];
    /** Answer what each key was before. */
    prev_kv?: boolean;
    watch_id?: Integer;
    /** Let etcd split large replies. */
    fragment?: boolean;
    /** Also return what `watchcancel` takes. */
    need_cancel?: boolean;
    /** Let etcd end the watch when its member has lost the leader; default false. */
    require_leader?: boolean;
}

interface Event {
    /** "DELETE"; nil for a put. */
    type?: "DELETE";
    kv: KeyValue;
    prev_kv?: KeyValue;
}

interface WatchResult {
    header: Header;
    watch_id?: string;
    created?: true;
    canceled?: true;
    cancel_reason?: string;
    compact_revision?: string;
    events?: Event[];
    /** More events of the same revision follow; only where `fragment` was asked for. */
    fragment?: true | undefined;
}

/** A reply of a watch, or an error that etcd sent in its place. */
interface WatchReply {
    result?: WatchResult;
    error?: { grpc_code?: number; http_code: number; http_status: string; message: string };
}

/** Gives the next reply; bare `timeout`, `closed` or another socket error otherwise, and the same ever after. */
type Reader = (
    this: void,
) => LuaMultiReturn<
    [reply: WatchReply, err?: undefined] | [reply: undefined, err: string, details?: EtcdError | undefined]
>;

/** What `watchcancel` takes. */
interface WatchHandle {
    close(): number;
}

const CREATE_OPTIONS = ["start_revision", "progress_notify", "prev_kv", "watch_id", "fragment"];

/** Names of HTTP statuses that etcd's errors have. */
const STATUS_TEXT = new LuaMap<number, string>();
STATUS_TEXT.set(400, "Bad Request");
STATUS_TEXT.set(401, "Unauthorized");
STATUS_TEXT.set(403, "Forbidden");
STATUS_TEXT.set(404, "Not Found");
STATUS_TEXT.set(408, "Request Timeout");
STATUS_TEXT.set(409, "Conflict");
STATUS_TEXT.set(412, "Precondition Failed");
STATUS_TEXT.set(429, "Too Many Requests");
STATUS_TEXT.set(499, "Client Closed Request");
STATUS_TEXT.set(500, "Internal Server Error");
STATUS_TEXT.set(501, "Not Implemented");
STATUS_TEXT.set(503, "Service Unavailable");
STATUS_TEXT.set(504, "Gateway Timeout");

function status_text(status: number): string {
    return STATUS_TEXT.get(status) ?? tostring(status);
}

/** Opening a watch failed. */
function open_failed(
    err: EtcdError,
    refused: boolean,
): LuaMultiReturn<[reader: undefined, err: string, details: EtcdError]> {
    if (refused) {
        const text = `failed to watch data, response code: ${err.http_status ?? 0}, ${err.message}`;
        return $multi(undefined, text, err);
    }
    return $multi(undefined, errors.to_text(err), err);
}

/** An error that came instead of a reply. */
function stream_failed(
    cli: ClientState,
    err: EtcdError,
): LuaMultiReturn<[reply: WatchReply | undefined, err?: string, details?: EtcdError]> {
    const status = err.http_status;
    if (status === undefined) {
        return $multi(undefined, err.message, err);
    }
    if (status >= 500) {
        const endpoint = err.endpoint ?? "";
        balancer.report_failure(cli, endpoint);
        return $multi(undefined, `${endpoint}: ${status_text(status)}`, err);
    }
    const refusal: WatchReply["error"] = { http_code: status, http_status: status_text(status), message: err.message };
    if (err.code !== undefined) {
        refusal.grpc_code = err.code;
    }
    return $multi({ error: refusal });
}

/** A reply with news, as opposed to one that only tells how far etcd has come. */
function has_news(reply: WatchResult): boolean {
    return reply.events !== undefined || reply.created === true || reply.canceled === true;
}

/** Events that may be merged with those of another reply. */
function is_plain(reply: WatchResult): boolean {
    return reply.created !== true && reply.canceled !== true;
}

/** Adds to `reply` what has arrived behind it; returns the first reply that must stand alone, if any. */
function merge_arrived(stream: Stream, reply: WatchResult): WatchResult | undefined {
    const events = reply.events!;
    while (true) {
        const more = stream.try_recv() as unknown as WatchResult | undefined;
        if (more === undefined) {
            return undefined;
        }
        if (!is_plain(more)) {
            return more;
        }
        for (const event of more.events ?? []) {
            events.push(event);
        }
        reply.header = more.header;
        reply.fragment = more.fragment;
    }
}

/** A reply whose values are not all decoded yet: whoever does that may be killed on the way. */
interface Unfinished {
    readonly reply: WatchResult;
    decoded: number;
}

function decode_events(cli: ClientState, unfinished: Unfinished): void {
    const events = unfinished.reply.events ?? [];
    const slice = time_slice.start();
    for (const i of $range(unfinished.decoded + 1, events.length)) {
        const event = events[i - 1]!;
        unfinished.decoded = i;
        result.decode_value(cli.serializer, event.kv);
        result.decode_value(cli.serializer, event.prev_kv);
        time_slice.yield_if_due(slice);
    }
}

function make_reader(cli: ClientState, stream: Stream, timeout: number | undefined, wants_progress: boolean): Reader {
    let held: WatchResult | undefined;
    let unfinished: Unfinished | undefined;
    let last_error: string | undefined;
    let last_details: EtcdError | undefined;
    return () => {
        while (true) {
            if (unfinished !== undefined) {
                const { reply } = unfinished;
                decode_events(cli, unfinished);
                unfinished = undefined;
                if (reply.canceled === true) {
                    stream.close(); // etcd keeps the connection, but nothing more comes on it
                }
                return $multi({ result: reply });
            }
            if (last_error !== undefined) {
                return $multi(undefined, last_error, last_details);
            }
            let reply = held;
            held = undefined;
            if (reply === undefined) {
                const [message, err] = stream.recv(timeout);
                if (message === undefined) {
                    const [error_reply, text, details] = stream_failed(cli, err);
                    if (error_reply !== undefined) {
                        return $multi(error_reply);
                    }
                    last_error = text;
                    last_details = details;
                    continue;
                }
                reply = message as unknown as WatchResult;
            }
            if (reply.events !== undefined && is_plain(reply)) {
                held = merge_arrived(stream, reply);
            }
            if (wants_progress || has_news(reply)) {
                unfinished = { reply, decoded: 0 };
            }
        }
    };
}

function make_handle(stream: Stream): WatchHandle {
    return {
        close() {
            stream.close();
            return 1;
        },
    };
}

function start(
    cli: ClientState,
    create_request: Message,
    opts: WatchOptions | undefined,
): LuaMultiReturn<[reader: Reader | undefined, err?: string | undefined, third?: EtcdError | WatchHandle]> {
    request_options.copy(opts, CREATE_OPTIONS, create_request);
    if (opts?.filters !== undefined) {
        create_request.set("filters", typeof opts.filters === "object" ? opts.filters : [opts.filters]);
    }
    const options = { timeout: opts?.timeout, require_leader: opts?.require_leader === true };
    const [stream, err, refusal] = call.open(cli, rpcs.watch, { create_request }, options);
    if (stream === undefined) {
        return open_failed(err, refusal !== undefined);
    }
    const timeout = opts?.timeout ?? cli.timeout;
    const reader = make_reader(cli, stream, timeout > 0 ? timeout : undefined, opts?.progress_notify === true);
    if (opts?.need_cancel === true) {
        stream.allow_cancel();
        return $multi(reader, undefined, make_handle(stream));
    }
    return $multi(reader);
}

/**
 * Watches a key.
 * @param key not empty
 * @returns a function that gives the next reply at each call
 */
function watch(
    this: ClientState,
    key: string,
    opts?: WatchOptions,
): LuaMultiReturn<[reader: Reader | undefined, err?: string | undefined, handle?: EtcdError | WatchHandle]> {
    const wrong = checks.check_key(key) ?? request_options.check_watch_opts(opts);
    if (wrong !== undefined) {
        return $multi(undefined, wrong, errors.local_error("bad_request", wrong));
    }
    const request: Message = new LuaMap();
    request.set("key", keys.with_prefix(this.key_prefix, key));
    return start(this, request, opts);
}

/**
 * Watches all keys that start with `dir`, which is taken as it is.
 * @param dir "" for all keys
 * @returns a function that gives the next reply at each call
 */
function watchdir(
    this: ClientState,
    dir: string,
    opts?: WatchOptions,
): LuaMultiReturn<[reader: Reader | undefined, err?: string | undefined, handle?: EtcdError | WatchHandle]> {
    const wrong = typeof dir !== "string" ? "key must be string" : request_options.check_watch_opts(opts);
    if (wrong !== undefined) {
        return $multi(undefined, wrong, errors.local_error("bad_request", wrong));
    }
    return start(this, keys.prefix_range(this.key_prefix, dir), opts);
}

/**
 * Ends a watch that was started with `need_cancel`. A read pending in another light thread ends within a second.
 * @param http_cli what the watch returned third
 * @returns 1
 */
function watchcancel(
    this: ClientState,
    http_cli: WatchHandle,
): LuaMultiReturn<[ok: number | undefined, err?: string, details?: EtcdError]> {
    if (typeof http_cli !== "object" || typeof (http_cli.close as unknown) !== "function") {
        const wrong = "http_cli is not what a watch returned";
        return $multi(undefined, wrong, errors.local_error("bad_request", wrong));
    }
    return $multi(http_cli.close());
}

export {
    watch,
    watchcancel,
    watchdir,
    type Event,
    type Reader,
    type WatchHandle,
    type WatchOptions,
    type WatchReply,
    type WatchResult,
};
