import type { Core } from "../call/client_state";
import type { Serializer } from "../serializers/serializer";

/** A client as its own methods see it. */
interface State extends Core {
    /** Put in front of every key. */
    key_prefix: string;
    /** False until native gRPC is built. */
    use_grpc: boolean;
    readonly serializer: Serializer;
}

export type { State };
