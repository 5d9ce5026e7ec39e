/** A message: fields by their names in etcd's proto files, raw bytes, int64 as decimal text, no zero values. */
type Message = LuaMap<string, unknown>;

/** A key as etcd stores it. Its value is raw bytes, nil for none; int64 values are decimal strings. */
interface RawKv {
    key: string;
    value?: string;
    create_revision: string;
    mod_revision: string;
    version: string;
    lease?: string;
}

/** A change of one key. */
interface RawEvent {
    type: "PUT" | "DELETE";
    /** For a deletion only `key` and `mod_revision`. */
    kv: RawKv;
    prev_kv?: RawKv;
}

/** In every answer; int64 values are decimal strings. */
interface Header {
    cluster_id: string;
    member_id: string;
    revision: string;
    raft_term: string;
}

/** A key as it is stored; int64 values are decimal strings. */
interface KeyValue {
    key: string;
    /** Through the serializer; nil for bytes it does not understand. */
    value?: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
    create_revision: string;
    mod_revision: string;
    version: string;
    lease?: string;
}

type Integer = number | string;

export type { Header, Integer, KeyValue, Message, RawEvent, RawKv };
