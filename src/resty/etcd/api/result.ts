import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import type { KeyValue } from "../protocol/message";
import type { Serializer } from "../serializers/serializer";
import * as time_slice from "../base/time_slice";
import type { Headers, Reply } from "../transport/transport";

/** Response of etcd. Programs can modify all of it. */
interface Response<Body> {
    /** HTTP status. */
    status: number;
    headers: Headers;
    body: Body;
}

/** The response; or nil and an error text. The details describe an error, and also a 4xx response. */
type ApiResult<Body> = LuaMultiReturn<
    | [res: Response<Body>, err?: undefined, details?: EtcdError | undefined]
    | [res: undefined, err: string, details: EtcdError]
>;

/** Fields that the body of a 4xx response has. */
interface ErrorBody {
    error?: string;
    message?: string;
    code?: number;
    /** Likely cause, if the message alone misleads. */
    hint?: string;
}

/** Returns the response of a call, or its error; error responses are errors. */
function to_result<Body>(reply: Reply | undefined, err: EtcdError | undefined): ApiResult<Body> {
    if (reply === undefined) {
        return errors.to_result(err!);
    }
    return $multi(reply as unknown as Response<Body>);
}

/** Returns the response of a call, or its error. As in lua-resty-etcd 1.10, a 4xx response is a result with `body.error`. */
function to_result_or_error_reply<Body>(
    reply: Reply | undefined,
    err: EtcdError | undefined,
    error_reply: Reply | undefined,
): ApiResult<Body> {
    if (reply !== undefined) {
        return $multi(reply as unknown as Response<Body>);
    }
    if (error_reply !== undefined && error_reply.status < 500) {
        const hint = err?.hint;
        if (hint !== undefined) {
            error_reply.body.set("hint", hint);
        }
        return $multi(error_reply as unknown as Response<Body>, undefined, err);
    }
    return errors.to_result(err!);
}

/** Replaces the value of a key-value pair by its deserialized form. */
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
    to_result_or_error_reply,
    to_result,
    type ErrorBody,
    type Response,
    type ApiResult,
};
