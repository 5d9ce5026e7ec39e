import type { ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import * as checks from "../base/checks";
import type { Header, Integer, KeyValue, Message } from "../protocol/message";
import * as balancer from "../endpoint/balancer";
import * as call from "../call/call";
import * as errors from "../protocol/errors";
import type { ErrorResult, EtcdError } from "../protocol/errors";
import * as completeness from "../protocol/completeness";
import * as rpcs from "../protocol/rpc";
import * as time_slice from "../base/time_slice";
import type { Stream } from "../transport/transport";
import * as method_options from "./method_options";
import * as request_options from "./request_options";
import * as result from "./result";
import type { CallOptions } from "./kv";

interface WatchOptions extends CallOptions {
    /** First revision to report; default: the next one. */
    start_revision?: Integer;
    /** Also return responses without events, which report etcd's current revision. */
    progress_notify?: boolean;
    /** "NOPUT", "NODELETE", or the enum number; one or an array. */
    filters?: string | number | (string | number)[];
    /** Return the previous key-value pair with each event. */
    prev_kv?: boolean;
    watch_id?: Integer;
    /** Let etcd split large responses. */
    fragment?: boolean;
    /** Also return the handle for `watchcancel`. */
    need_cancel?: boolean;
    /** Let etcd cancel the watch when its member has no leader; default false. */
    require_leader?: boolean;
}

interface Event {
    /** "DELETE", or nil for a put. */
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
    /** More events of the same revision follow; only with the option `fragment`. */
    fragment?: true | undefined;
}

/** Response of a watch, or an error that etcd sent instead. */
interface WatchReply {
    result?: WatchResult;
    error?: { grpc_code?: number; http_code: number; http_status: string; message: string };
}

/** Returns the next response; or nil and `timeout`, `closed` or another socket error, which later calls repeat. */
type Reader = (
    this: void,
) => LuaMultiReturn<
    [reply: WatchReply, err?: undefined] | [reply: undefined, err: string, details?: EtcdError | undefined]
>;

/** Handle that `watchcancel` accepts. */
interface WatchHandle {
    close(): number;
}

const CREATE_OPTIONS = ["start_revision", "progress_notify", "prev_kv", "watch_id", "fragment"];

/** Reason phrases of the HTTP statuses that etcd's errors have. */
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

/** Returns the error of a watch that was not created. */
function open_failed(err: EtcdError, is_error_reply: boolean): ErrorResult {
    if (is_error_reply) {
        const text = `failed to watch data, response code: ${err.http_status ?? 0}, ${err.message}`;
        return $multi(undefined, text, err);
    }
    return errors.to_result(err);
}

/** Returns what the reader returns for an error: a response with the error for 4xx, otherwise nil and a text. */
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
        balancer.report(cli, endpoint, "failure");
        balancer.note_failure(cli, endpoint, errors.to_text(err));
        return $multi(undefined, `${endpoint}: ${status_text(status)}`, err);
    }
    const error_reply: WatchReply["error"] = {
        http_code: status,
        http_status: status_text(status),
        message: err.message,
    };
    if (err.code !== undefined) {
        error_reply.grpc_code = err.code;
    }
    return $multi({ error: error_reply });
}

/** Reports whether a response has more to say than etcd's current revision. */
function has_news(reply: WatchResult): boolean {
    return reply.events !== undefined || reply.created === true || reply.canceled === true;
}

/** Reports whether an event of a response has no key: etcd sends no such event. */
function lacks_key(reply: WatchResult): boolean {
    for (const { kv, prev_kv } of (reply.events as Partial<Event>[] | undefined) ?? []) {
        if (
            kv === undefined ||
            !completeness.has_key(kv) ||
            (prev_kv !== undefined && !completeness.has_key(prev_kv))
        ) {
            return true;
        }
    }
    return false;
}

/** Reports whether the events of a response can be merged with those of another. */
function is_plain(reply: WatchResult): boolean {
    return reply.created !== true && reply.canceled !== true;
}

/** Appends the events that have already arrived to `reply`. Returns the first response that cannot be merged, or nil. */
function merge_arrived(stream: Stream, reply: WatchResult): WatchResult | undefined {
    const events = reply.events!;
    while (true) {
        const more = stream.try_recv() as unknown as WatchResult | undefined;
        if (more === undefined) {
            return undefined;
        }
        if (!is_plain(more) || lacks_key(more)) {
            return more;
        }
        for (const event of more.events ?? []) {
            events.push(event);
        }
        reply.header = more.header;
        reply.fragment = more.fragment;
    }
}

/** Response whose values are not all decoded yet. The reader keeps it, because the light thread can be killed meanwhile. */
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
    let next_reply: WatchResult | undefined;
    let unfinished: Unfinished | undefined;
    let last_error: string | undefined;
    let last_details: EtcdError | undefined;
    const token = {}; // garbage together with the reader
    cli.sync_plan?.readers.set(token, true);
    return () => {
        while (true) {
            if (unfinished !== undefined) {
                const { reply } = unfinished;
                decode_events(cli, unfinished);
                unfinished = undefined;
                if (reply.canceled === true) {
                    stream.close(); // etcd keeps the connection open, but sends nothing more
                }
                return $multi({ result: reply });
            }
            if (last_error !== undefined) {
                return $multi(undefined, last_error, last_details);
            }
            let reply = next_reply;
            next_reply = undefined;
            if (reply === undefined) {
                const [message, err] = stream.recv(timeout);
                if (message === undefined) {
                    const [error_reply, text, details] = stream_failed(cli, err);
                    if (error_reply !== undefined) {
                        return $multi(error_reply);
                    }
                    last_error = text;
                    last_details = details;
                    cli.sync_plan?.readers.delete(token);
                    continue;
                }
                reply = message as unknown as WatchResult;
            }
            if (lacks_key(reply)) {
                stream.close();
                last_error = "malformed reply: watch event without key";
                last_details = errors.local_error("bad_reply", last_error, stream.endpoint);
                cli.sync_plan?.readers.delete(token);
                continue;
            }
            if (reply.events !== undefined && is_plain(reply)) {
                next_reply = merge_arrived(stream, reply);
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
    const [stream, err, error_reply] = call.open(cli, rpcs.watch, { create_request }, options);
    if (stream === undefined) {
        return open_failed(err, error_reply !== undefined);
    }
    const timeout = opts?.timeout ?? cli.timeout;
    const reader = make_reader(cli, stream, timeout > 0 ? timeout : undefined, opts?.progress_notify === true);
    stream.end_at_exit();
    const need_cancel: unknown = opts?.need_cancel;
    if (need_cancel !== undefined && need_cancel !== false) {
        stream.allow_cancel();
        return $multi(reader, undefined, make_handle(stream));
    }
    return $multi(reader);
}

/**
 * Watches a key.
 * @param key not empty
 * @returns a function that returns the next response at each call
 */
function watch(
    this: ClientState,
    key: string,
    opts?: WatchOptions,
): LuaMultiReturn<[reader: Reader | undefined, err?: string | undefined, handle?: EtcdError | WatchHandle]> {
    const problem =
        checks.check_key(key) ?? method_options.check("watch", opts) ?? request_options.check_watch_opts(opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    const request: Message = new LuaMap();
    request.set("key", keys.with_prefix(this.key_prefix, key));
    return start(this, request, opts);
}

/**
 * Watches all keys with the prefix `dir`.
 * @param dir "" for all keys
 * @returns a function that returns the next response at each call
 */
function watchdir(
    this: ClientState,
    dir: string,
    opts?: WatchOptions,
): LuaMultiReturn<[reader: Reader | undefined, err?: string | undefined, handle?: EtcdError | WatchHandle]> {
    const problem =
        checks.check_key_prefix(dir) ??
        method_options.check("watchdir", opts) ??
        request_options.check_watch_opts(opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    return start(this, keys.prefix_range(this.key_prefix, dir), opts);
}

/**
 * Cancels a watch that was started with `need_cancel`. A pending read in another light thread returns within 1 s.
 * @param http_cli handle: the third return value of the watch
 * @returns 1
 */
function watchcancel(
    this: ClientState,
    http_cli: WatchHandle,
): LuaMultiReturn<[ok: number | undefined, err?: string, details?: EtcdError]> {
    if (typeof http_cli !== "object" || typeof (http_cli.close as unknown) !== "function") {
        return errors.bad_request("http_cli is not what a watch returned");
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
