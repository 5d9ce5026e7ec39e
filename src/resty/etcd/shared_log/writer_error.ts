import type { EtcdError, LocalName } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as decimal from "../base/decimal";
import * as dict_values from "../base/dict_values";
import * as logs from "./log";
import type { Log } from "./log";

const byte = string.byte as (this: void, text: string, at: number) => number | undefined;
const format = string.format;
const match = string.match;
const rep = string.rep;
const sub = string.sub;

/** Bytes of the value. It always has the same length: the dict then overwrites it in place, which works in a full dict. */
const SIZE = 384;
const NONE = rep(" ", SIZE);
const SPACE = 32;

/** Returns the value for an error, or for none. */
function encode(err: EtcdError | undefined): string {
    if (err === undefined) {
        return NONE;
    }
    const text = format("%s %d %d %s", err.name, err.code ?? 0, err.http_status ?? 0, err.message);
    return sub(text + NONE, 1, SIZE);
}

/** Returns the error of a value; nil if it holds none. */
function decode(value: string): EtcdError | undefined {
    const [name, code_text, http_status_text, padded] = match(value, "^(%l[%l_]*) (%d+) (%d+) (.*)$");
    const code = decimal.parse(code_text);
    const http_status = decimal.parse(http_status_text);
    if (code === undefined || http_status === undefined) {
        return undefined;
    }
    let last = padded!.length;
    while (byte(padded!, last) === SPACE) {
        last = last - 1;
    }
    const err = errors.local_error(name as LocalName, sub(padded!, 1, last));
    if (code !== 0) {
        err.code = code;
    }
    if (http_status !== 0) {
        err.http_status = http_status;
    }
    return err;
}

/** Makes room for errors. An error that a former writer has published stays until a writer has a response from etcd. */
function reserve(log: Log): void {
    log.dict.safe_add(log.name + logs.ERROR_KEY, NONE);
}

/** Publishes the value for the error of the writer. */
function publish(log: Log, value: string): void {
    log.dict.safe_set(log.name + logs.ERROR_KEY, value);
}

/** Returns the value that the writer has published. */
function read(log: Log): string {
    return dict_values.get_text(log.dict, log.name + logs.ERROR_KEY, SIZE) ?? NONE;
}

export { NONE, decode, encode, publish, read, reserve };
