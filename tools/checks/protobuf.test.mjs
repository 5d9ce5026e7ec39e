// The codec of protobuf messages against another implementation: random messages of each type have the same bytes as
// protobufjs makes of them, and are read from these bytes. SEED=n repeats a run.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import protobuf from "protobufjs";

const root = path.resolve(import.meta.dirname, "../..");
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "protobuf."));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

const CASES_PER_TYPE = 200;
const seed = Number(process.env.SEED ?? Date.now() % 2147483647);

/** The field numbers of etcd, stated again, so that a wrong number in the schema does not pass. */
const ETCD = protobuf.parse(
    `syntax = "proto3";
    message ResponseHeader { uint64 cluster_id = 1; uint64 member_id = 2; int64 revision = 3; uint64 raft_term = 4; }
    message KeyValue {
        bytes key = 1; int64 create_revision = 2; int64 mod_revision = 3; int64 version = 4; bytes value = 5; int64 lease = 6;
    }
    enum EventType { PUT = 0; DELETE = 1; }
    message Event { EventType type = 1; KeyValue kv = 2; KeyValue prev_kv = 3; }
    enum SortOrder { NONE = 0; ASCEND = 1; DESCEND = 2; }
    enum SortTarget { KEY = 0; VERSION = 1; CREATE = 2; MOD = 3; VALUE = 4; }
    message RangeRequest {
        bytes key = 1; bytes range_end = 2; int64 limit = 3; int64 revision = 4; SortOrder sort_order = 5;
        SortTarget sort_target = 6; bool serializable = 7; bool keys_only = 8; bool count_only = 9;
        int64 min_mod_revision = 10; int64 max_mod_revision = 11; int64 min_create_revision = 12;
        int64 max_create_revision = 13;
    }
    message RangeResponse { ResponseHeader header = 1; repeated KeyValue kvs = 2; bool more = 3; int64 count = 4; }
    message PutRequest {
        bytes key = 1; bytes value = 2; int64 lease = 3; bool prev_kv = 4; bool ignore_value = 5; bool ignore_lease = 6;
    }
    message PutResponse { ResponseHeader header = 1; KeyValue prev_kv = 2; }
    message DeleteRangeRequest { bytes key = 1; bytes range_end = 2; bool prev_kv = 3; }
    message DeleteRangeResponse { ResponseHeader header = 1; int64 deleted = 2; repeated KeyValue prev_kvs = 3; }
    enum CompareResult { EQUAL = 0; GREATER = 1; LESS = 2; NOT_EQUAL = 3; }
    enum CompareTarget { TARGET_VERSION = 0; TARGET_CREATE = 1; TARGET_MOD = 2; TARGET_VALUE = 3; TARGET_LEASE = 4; }
    message Compare {
        CompareResult result = 1; CompareTarget target = 2; bytes key = 3;
        oneof target_union { int64 version = 4; int64 create_revision = 5; int64 mod_revision = 6; bytes value = 7; int64 lease = 8; }
        bytes range_end = 64;
    }
    message RequestOp {
        oneof request {
            RangeRequest request_range = 1; PutRequest request_put = 2; DeleteRangeRequest request_delete_range = 3;
            TxnRequest request_txn = 4;
        }
    }
    message TxnRequest { repeated Compare compare = 1; repeated RequestOp success = 2; repeated RequestOp failure = 3; }
    message ResponseOp {
        oneof response {
            RangeResponse response_range = 1; PutResponse response_put = 2; DeleteRangeResponse response_delete_range = 3;
            TxnResponse response_txn = 4;
        }
    }
    message TxnResponse { ResponseHeader header = 1; bool succeeded = 2; repeated ResponseOp responses = 3; }
    enum FilterType { NOPUT = 0; NODELETE = 1; }
    message WatchCreateRequest {
        bytes key = 1; bytes range_end = 2; int64 start_revision = 3; bool progress_notify = 4;
        repeated FilterType filters = 5; bool prev_kv = 6; int64 watch_id = 7; bool fragment = 8;
    }
    message WatchCancelRequest { int64 watch_id = 1; }
    message WatchProgressRequest {}
    message WatchRequest {
        oneof request_union {
            WatchCreateRequest create_request = 1; WatchCancelRequest cancel_request = 2;
            WatchProgressRequest progress_request = 3;
        }
    }
    message WatchResponse {
        ResponseHeader header = 1; int64 watch_id = 2; bool created = 3; bool canceled = 4; int64 compact_revision = 5;
        string cancel_reason = 6; bool fragment = 7; repeated Event events = 11;
    }
    message LeaseGrantRequest { int64 TTL = 1; int64 ID = 2; }
    message LeaseGrantResponse { ResponseHeader header = 1; int64 ID = 2; int64 TTL = 3; string error = 4; }
    message LeaseRevokeRequest { int64 ID = 1; }
    message LeaseRevokeResponse { ResponseHeader header = 1; }
    message LeaseKeepAliveRequest { int64 ID = 1; }
    message LeaseKeepAliveResponse { ResponseHeader header = 1; int64 ID = 2; int64 TTL = 3; }
    message LeaseTimeToLiveRequest { int64 ID = 1; bool keys = 2; }
    message LeaseTimeToLiveResponse {
        ResponseHeader header = 1; int64 ID = 2; int64 TTL = 3; int64 grantedTTL = 4; repeated bytes keys = 5;
    }
    message LeaseLeasesRequest {}
    message LeaseStatus { int64 ID = 1; }
    message LeaseLeasesResponse { ResponseHeader header = 1; repeated LeaseStatus leases = 2; }
    message Member {
        uint64 ID = 1; string name = 2; repeated string peerURLs = 3; repeated string clientURLs = 4; bool isLearner = 5;
    }
    message MemberListRequest { bool linearizable = 1; }
    message MemberListResponse { ResponseHeader header = 1; repeated Member members = 2; }
    message AuthenticateRequest { string name = 1; string password = 2; }
    message AuthenticateResponse { ResponseHeader header = 1; string token = 2; }`,
    { keepCase: true },
).root;

/** The messages that requests and responses consist of. */
const TYPES = ETCD.nestedArray.filter(type => type instanceof protobuf.Type && /(Request|Response)$/.test(type.name));
/** Parts of other messages, which the schema does not export. */
const INNER = ["WatchCreateRequest", "WatchCancelRequest", "WatchProgressRequest"];

let state = seed;
/** Returns an integer from 0 to n - 1. */
function random(n) {
    state = (state * 48271) % 2147483647;
    return state % n;
}

const pick = list => list[random(list.length)];
const bytes = () => Buffer.from(Array.from({ length: pick([1, 2, 7, 127, 128, 300]) }, () => random(256)));
const text = () => pick(["x", "etcdserver: ", "\u00e9\u20ac", "http://10.0.0.1:2379", "x".repeat(130)]);

function int64(signed) {
    const width = 1 + random(63);
    const value = (BigInt(random(2 ** 31 - 2)) << 32n) ^ BigInt(random(2 ** 31 - 2)) ^ (1n << 62n);
    const edges = signed
        ? ["-1", "-9223372036854775808", "9223372036854775807", "-5", "-1000000000000000", "-72057594037927936"]
        : ["18446744073709551615", "9223372036854775808", "9223372036854775807"];
    return random(4) === 0
        ? pick([...edges, "1", "127", "128", "16384", "999999999999999", "1000000000000000", "9007199254740993"])
        : String(value >> BigInt(63 - width) || 1n);
}

/** Enum names that protobuf needs to be distinct within a file. */
const shorter = name => name.replace("TARGET_", "");

/** Returns a random message, as an object of protobufjs and as a table of the driver in JSON. */
function make(type, depth) {
    const object = {};
    const table = {};
    const chosen = new Map();
    for (const oneof of type.oneofsArray) {
        chosen.set(oneof, pick(oneof.fieldsArray));
    }
    const value = field => {
        const of = field.resolvedType;
        if (of instanceof protobuf.Type) {
            return make(of, depth + 1);
        }
        if (of instanceof protobuf.Enum) {
            const name = pick(field.repeated ? Object.keys(of.values) : Object.keys(of.values).slice(1));
            return [of.values[name], shorter(name)];
        }
        if (field.type === "bytes") {
            const made = bytes();
            return [made, made.toString("base64")];
        }
        const made = { bool: () => true, string: text, int64: () => int64(true), uint64: () => int64(false) }[
            field.type
        ]();
        return [made, made];
    };
    for (const field of type.fieldsArray.map(each => each.resolve())) {
        const deep = depth > 4 && field.resolvedType instanceof protobuf.Type;
        if (deep || (field.partOf ? chosen.get(field.partOf) !== field : random(3) === 0)) {
            continue;
        }
        if (field.repeated) {
            const items = Array.from({ length: 1 + random(3) }, () => value(field));
            object[field.name] = items.map(([made]) => made);
            table[field.name] = items.map(([, made]) => made);
        } else {
            [object[field.name], table[field.name]] = value(field);
        }
    }
    return [object, table];
}

test("messages have the same bytes as with protobufjs", () => {
    const exported = TYPES.filter(type => !INNER.includes(type.name));
    const lines = [];
    for (const type of exported) {
        const name = type.name.replace(/(?<=[a-z])[A-Z]/g, letter => `_${letter}`).toLowerCase();
        for (let i = 0; i < CASES_PER_TYPE; i++) {
            const [object, table] = make(type, 0);
            const encoded = Buffer.from(type.encode(type.fromObject(object)).finish());
            lines.push(JSON.stringify({ type: name, table, bytes: encoded.toString("base64") }));
        }
    }
    const file = path.join(scratch, "messages");
    fs.writeFileSync(file, lines.join("\n"));
    const script = path.join(import.meta.dirname, "protobuf.lua");
    const output = execFileSync(path.join(root, "tools/resty-run"), [script, file], { cwd: root, encoding: "utf8" });
    assert.equal(output, `${lines.length} messages of ${exported.length} types\n`, `SEED=${seed} repeats it`);
    console.log(`SEED=${seed}`);
});
