import * as client from "./etcd/client/client";

/** Version of this module. */
const VERSION = "2.0.0";
const create = client.new;

export { VERSION as _VERSION, create as new };
export type { Client, VersionBody } from "./etcd/client/client";
export type {
    DeleteBody,
    DeleteOptions,
    GetBody,
    GetOptions,
    RangeOptions,
    RmdirOptions,
    SetBody,
    SetOptions,
} from "./etcd/api/kv";
export type { GrantBody, KeepaliveBody, LeaseOptions, LeasesBody, RevokeBody, TimetoliveBody } from "./etcd/api/lease";
export type { Response, ApiResult } from "./etcd/api/result";
export type { OpResponse, SetIfOptions, TxnBody, TxnOptions } from "./etcd/api/txn";
export type { Event, Reader, WatchHandle, WatchOptions, WatchReply, WatchResult } from "./etcd/api/watch";
export type { EtcdError } from "./etcd/protocol/errors";
export type { Header, KeyValue } from "./etcd/protocol/message";
export type { HealthOptions } from "./etcd/endpoint/client_health";
export type { CallInfo, OnCall, RpcStats, Stats } from "./etcd/metrics/call_metrics";
export type { Options } from "./etcd/client/options";
export type { Serializer } from "./etcd/serializers/serializer";
