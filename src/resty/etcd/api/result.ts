import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import type { KeyValue } from "../protocol/message";
import type { Serializer } from "../serializers/serializer";
import * as time_slice from "../base/time_slice";
import type { Headers, Reply } from "../transport/transport";

/** An answer of etcd. All of it may be written to. */
interface Response<Body> {
    /** HTTP status. */
    status: number;
    headers: Headers;
    body: Body;
}

/** `res`, or `nil` and a text; and what is known of an error or a refusal. */
type ApiResult<Body> = LuaMultiReturn<
    | [res: Response<Body>, err?: undefined, details?: EtcdError | undefined]
    | [res: undefined, err: string, details: EtcdError]
>;

/** A refused call (HTTP 4xx): fields of the body are those of the error. */
interface ErrorBody {
    error?: string;
    message?: string;
    code?: number;
    /** What may be the matter, where the message alone would mislead. */
    hint?: string;
}

/** An error that is the caller's own. */
function argument_error<Body>(message: string): ApiResult<Body> {
    return $multi(undefined, message, errors.local_error("bad_request", message));
}

/** An error of a call. */
function failed<Body>(err: EtcdError): ApiResult<Body> {
    return $multi(undefined, errors.to_text(err), err);
}

/** Either an answer or an error: every refusal is an error. */
function to_result<Body>(reply: Reply | undefined, err: EtcdError | undefined): ApiResult<Body> {
    if (reply === undefined) {
        return failed(err!);
    }
    return $multi(reply as unknown as Response<Body>);
}

/** Refusals below 500 are answers too, with `body.error` and perhaps `body.hint`. */
function to_result_or_refusal<Body>(
    reply: Reply | undefined,
    err: EtcdError | undefined,
    refusal: Reply | undefined,
): ApiResult<Body> {
    if (reply !== undefined) {
        return $multi(reply as unknown as Response<Body>);
    }
    if (refusal !== undefined && refusal.status < 500) {
        const hint = err?.hint;
        if (hint !== undefined) {
            refusal.body.set("hint", hint);
        }
        return $multi(refusal as unknown as Response<Body>, undefined, err);
    }
    return failed(err!);
}

/** Decodes the value of a key in place. */
function decode_value(serializer: Serializer, kv: KeyValue | undefined): void {
    if (kv !== undefined) {
        const [value] = serializer.deserialize((kv.value as string | undefined) ?? "");
        kv.value = value;
    }
}

function decode_values(serializer: Serializer, kvs: KeyValue[] | undefined): void {
    if (kvs !== undefined) {
        const slice = time_slice.start();
        for (const kv of kvs) {
            decode_value(serializer, kv);
            time_slice.yield_if_due(slice);
        }
    }
}

export {
    decode_value,
    decode_values,
    failed,
    to_result_or_refusal,
    argument_error,
    to_result,
    type ErrorBody,
    type Response,
    type ApiResult,
};
