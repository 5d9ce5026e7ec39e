import * as dict_values from "../base/dict_values";
import type { Dict } from "../base/memory_dict";
import * as printable from "../base/printable";
import type { Endpoint } from "./endpoint";

/*
 * The last failure of each endpoint, as text: an error that says that no endpoint is left shows them in its hint, because
 * the call that fails is seldom the one that has seen the cause.
 */

const PREFIX = "resty.etcd|error|";
/** Seconds that a text is kept. Longer than any usual ban, so that a call that finds all endpoints banned finds it. */
const KEPT_FOR = 600;
/** Longest text in bytes. */
const MAX_LENGTH = 500;
/** Longest text that is read: `printable` marks a cut. */
const MAX_STORED = 2 * MAX_LENGTH;
/** Largest number of endpoints in a hint: one name can have hundreds of addresses. */
const MAX_ENDPOINTS = 10;

/** Stores why an endpoint failed. Evicts nothing from a shared dict that is full. */
function note(dict: Dict, host: string, text: string): void {
    dict.safe_set(PREFIX + host, printable.of(text, MAX_LENGTH), KEPT_FOR);
}

/** Returns the last failures of endpoints as one text, or nil if none is known. */
function text_of(dict: Dict, endpoints: readonly Endpoint[]): string | undefined {
    const texts: string[] = [];
    let more = 0;
    for (const endpoint of endpoints) {
        const host = endpoint.http_host as unknown;
        const text = dict_values.get_text(dict, PREFIX + tostring(host), MAX_STORED);
        if (text !== undefined) {
            if (texts.length < MAX_ENDPOINTS) {
                texts.push(printable.of(text, MAX_LENGTH));
            } else {
                more = more + 1;
            }
        }
    }
    if (texts.length === 0) {
        return undefined;
    }
    const all = table.concat(texts, "; ");
    return more > 0 ? `${all}; and ${more} more` : all;
}

export { note, text_of };
