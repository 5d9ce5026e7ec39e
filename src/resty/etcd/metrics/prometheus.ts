import * as printable from "../base/printable";
import * as call_metrics from "./call_metrics";
import type { RpcStats, Stats } from "./call_metrics";

const buckets = call_metrics.buckets;
const concat = table.concat;
const format = string.format;

/** Maximum bytes of the value of a label: every line of the output repeats it. */
const MAX_LABEL = 1024;

/** Labels added to every line, such as the worker or the name of the client. */
type Labels = Record<string, string | number>;

type Line = (this: void, lines: string[], labels: string, row: RpcStats) => void;

/** Returns names in sorted order, so that the output is stable. */
function sorted_names(of: object): string[] {
    const names: string[] = [];
    for (const [name] of pairs(of as Record<string, unknown>)) {
        names.push(name);
    }
    table.sort(names);
    return names;
}

/** Checks labels that the caller gave. */
function check_labels(labels: unknown): Problem {
    if (labels === undefined) {
        return undefined;
    }
    if (typeof labels !== "object") {
        return "labels must be table";
    }
    for (const [name, value] of pairs(labels as Record<string, unknown>)) {
        const [is_name] = string.match(tostring(name), "^[%a_][%w_]*$");
        if (is_name === undefined || name === "rpc" || name === "outcome" || name === "le") {
            return `labels: invalid name: ${tostring(name)}`;
        }
        if (typeof value !== "string" && typeof value !== "number") {
            return `labels: ${name} must be string or number`;
        }
    }
    return undefined;
}

/** Formats the labels that every line begins with. */
function format_labels(labels: Labels): string {
    const parts: string[] = [];
    for (const name of sorted_names(labels)) {
        const text = string.sub(tostring(labels[name]), 1, MAX_LABEL);
        const [escaped] = string.gsub(text, '[\\"]', "\\%0");
        const [value] = string.gsub(escaped, "\n", "\\n");
        parts.push(`${name}="${printable.of(value, value.length)}",`);
    }
    return concat(parts);
}

function call_lines(this: void, lines: string[], labels: string, row: RpcStats): void {
    for (const outcome of sorted_names(row.outcomes)) {
        lines.push(
            format(
                'resty_etcd_calls_total{%s,outcome="%s"} %d',
                labels,
                printable.key(outcome),
                row.outcomes[outcome]!,
            ),
        );
    }
}

function retry_line(this: void, lines: string[], labels: string, row: RpcStats): void {
    lines.push(format("resty_etcd_retries_total{%s} %d", labels, row.retries));
}

function sent_line(this: void, lines: string[], labels: string, row: RpcStats): void {
    lines.push(format("resty_etcd_sent_bytes_total{%s} %d", labels, row.sent));
}

function received_line(this: void, lines: string[], labels: string, row: RpcStats): void {
    lines.push(format("resty_etcd_received_bytes_total{%s} %d", labels, row.received));
}

function seconds_lines(this: void, lines: string[], labels: string, row: RpcStats): void {
    let all = 0;
    for (const [, n] of pairs(row.outcomes)) {
        all = all + n;
    }
    for (const i of $range(1, buckets.length)) {
        const le = printable.of(buckets[i - 1]);
        lines.push(format('resty_etcd_call_seconds_bucket{%s,le="%s"} %d', labels, le, row.within[i - 1]!));
    }
    lines.push(format('resty_etcd_call_seconds_bucket{%s,le="+Inf"} %d', labels, all));
    lines.push(format("resty_etcd_call_seconds_sum{%s} %.6f", labels, row.seconds));
    lines.push(format("resty_etcd_call_seconds_count{%s} %d", labels, all));
}

/** Formats counters in the text format of Prometheus. */
function format_stats(stats: Stats, labels: Labels): string {
    const lines: string[] = [];
    const constant = format_labels(labels);
    const rpcs = sorted_names(stats);
    const add_metric = (name: string, kind: string, help: string, line: Line): void => {
        lines.push(`# HELP resty_etcd_${name} ${help}`);
        lines.push(`# TYPE resty_etcd_${name} ${kind}`);
        for (const rpc of rpcs) {
            line(lines, `${constant}rpc="${printable.key(rpc)}"`, stats[rpc]!);
        }
    };
    add_metric("calls_total", "counter", "Finished calls.", call_lines);
    add_metric("retries_total", "counter", "Attempts after the first.", retry_line);
    add_metric("sent_bytes_total", "counter", "Bytes of request bodies.", sent_line);
    add_metric("received_bytes_total", "counter", "Bytes of response bodies.", received_line);
    add_metric("call_seconds", "histogram", "Duration of calls in seconds.", seconds_lines);
    lines.push("");
    return concat(lines, "\n");
}

export { check_labels, format_stats, type Labels };
