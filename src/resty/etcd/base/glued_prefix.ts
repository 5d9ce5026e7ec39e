import * as warn_once from "./warn_once";

const match = string.match;

/**
 * Logs, once per prefix and worker, that a prefix ends with a letter or a digit: names are appended to it as they are, so
 * that the prefix `/conf` and the name `limits` make the key `/conflimits`. The driver adds no separator, because keys
 * exist that were written in this way.
 * @param subject what the prefix belongs to
 */
function warn(subject: string, prefix: string): void {
    if (match(prefix, "%w$")[0] !== undefined) {
        warn_once.warn(
            `${subject} of ${prefix}`,
            `the prefix does not end with /: names are appended to it as they are, as in ${prefix}name`,
        );
    }
}

export { warn };
