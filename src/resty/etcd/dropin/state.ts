import type { Core } from "../core";
import type { Serializer } from "../serializer";

/** A client as its own methods see it. */
interface State extends Core {
    /** Put in front of every key. */
    key_prefix: string;
    /** False until native gRPC is built. */
    use_grpc: boolean;
    readonly serializer: Serializer;
}

export type { State };
