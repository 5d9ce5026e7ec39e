/** A message: fields by their names in etcd's rpc.proto. Bytes are raw, int64 is decimal text, zero values are absent. */
type Message = LuaMap<string, unknown>;

/** A key-value pair with raw bytes as value; nil if the value is empty. int64 fields are decimal strings. */
interface RawKv {
    key: string;
    value?: string;
    create_revision: string;
    mod_revision: string;
    version: string;
    lease?: string;
}

/** A watch event: the change of one key. */
interface RawEvent {
    type: "PUT" | "DELETE";
    /** Of a deletion, only `key` and `mod_revision` are set. */
    kv: RawKv;
    prev_kv?: RawKv;
}

/** The header of each response. int64 fields are decimal strings. */
interface Header {
    cluster_id: string;
    member_id: string;
    revision: string;
    raft_term: string;
}

/** A key-value pair with the deserialized value. int64 fields are decimal strings. */
interface KeyValue {
    key: string;
    /** Deserialized; nil if the serializer rejects the bytes. */
    value?: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value
    create_revision: string;
    mod_revision: string;
    version: string;
    lease?: string;
}

type Integer = number | string;

export type { Header, Integer, KeyValue, Message, RawEvent, RawKv };
