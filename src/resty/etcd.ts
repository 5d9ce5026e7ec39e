import * as client from "./etcd/client";

/** Version of this module. */
const VERSION = "2.0.0";
const create = client.new;

export { VERSION as _VERSION, create as new };
export type { Client, VersionBody } from "./etcd/client";
export type {
    DeleteBody,
    DeleteOptions,
    GetBody,
    GetOptions,
    RangeOptions,
    RmdirOptions,
    SetBody,
    SetOptions,
} from "./etcd/dropin/kv";
export type { GrantBody, KeepaliveBody, LeasesBody, RevokeBody, TimetoliveBody } from "./etcd/dropin/lease";
export type { Header, KeyValue, Response, Result3 } from "./etcd/dropin/result";
export type { OpResponse, SetIfOptions, TxnBody, TxnOptions } from "./etcd/dropin/txn";
export type { Event, Reader, WatchHandle, WatchOptions, WatchReply, WatchResult } from "./etcd/dropin/watch";
export type { EtcdError } from "./etcd/errors";
export type { HealthOptions } from "./etcd/health";
export type { CallInfo, OnCall, RpcStats, Stats } from "./etcd/meter";
export type { Options } from "./etcd/options";
export type { Serializer } from "./etcd/serializer";
