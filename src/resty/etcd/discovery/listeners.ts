import type { OptionTable } from "../base/checks";
import * as checks from "../base/checks";
import * as error_text from "../base/error_text";
import * as base_listeners from "../base/listener";
import type { Listener } from "../base/listener";
import * as time_slice from "../base/time_slice";
import * as printable from "../base/printable";
import type { Changes, Kv } from "../mirror/types";
import type { MethodResult } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as peer_lists from "./peers";
import type { Lists, Peer } from "./peers";

/** Called with the instances of a service after each change of one of them. */
type OnPeers = (this: void, peers: readonly Peer[], service: string) => void;

interface ListenOptions {
    /** Call the function immediately with the current instances, if there is a state. */
    initial?: boolean;
}

/** A function given to `on_change`. */
interface ServiceListener extends Listener {
    readonly fn: OnPeers;
}

interface State extends Lists {
    readonly prefix: string;
    /** By service; the arrays are replaced, not changed. */
    readonly listeners: LuaMap<string, readonly ServiceListener[]>;
    /** The mirror reports its changes to `notify`. */
    is_listening: boolean;
}

const LISTEN_OPTIONS: OptionTable = { rules: [{ name: "initial", type: "boolean" }] };

/**
 * Calls a function with the instances of its service, unless it has received this array. Errors of the function are logged:
 * they do not concern the others.
 */
function call(state: State, service: string, listener: ServiceListener): void {
    const [list] = peer_lists.peers.call(state, service);
    if (!base_listeners.accepts_state(listener, list)) {
        return;
    }
    const [ok, err] = protected_call(listener.fn, list, service);
    if (!ok) {
        const text = printable.of(error_text.of(err, "no reason"));
        ngx.log(ngx.WARN, "service discovery of ", printable.key(state.prefix), ": on_change: ", text);
    }
}

/** Adds the service of a peer to a list, unless it is there already. */
function add_service(services: string[], known: LuaMap<string, true>, kv: Kv | undefined): void {
    const service = (kv?.value as Peer | undefined)?.service;
    if (service !== undefined && known.get(service) !== true) {
        known.set(service, true);
        services.push(service);
    }
}

/** Returns the services that changes concern, in their order. */
function services_of(changes: Changes): string[] {
    const services: string[] = [];
    const known = new LuaMap<string, true>();
    for (const { kv, old } of changes.changes) {
        add_service(services, known, kv);
        add_service(services, known, old);
    }
    return services;
}

/** Calls the functions of all services that have changed. */
function notify(state: State, changes: Changes): void {
    const slice = time_slice.start();
    for (const service of services_of(changes)) {
        for (const listener of state.listeners.get(service) ?? []) {
            if (base_listeners.accepts_change(listener)) {
                call(state, service, listener);
                time_slice.yield_if_due(slice);
            }
        }
    }
}

/** Replaces the functions of a service by those that are not stopped, and one more. */
function replace(state: State, service: string, added: ServiceListener | undefined): void {
    const list: ServiceListener[] = [];
    for (const listener of state.listeners.get(service) ?? []) {
        if (!listener.is_stopped) {
            list.push(listener);
        }
    }
    if (added !== undefined) {
        list.push(added);
    }
    if (list.length > 0) {
        state.listeners.set(service, list);
    } else {
        state.listeners.delete(service);
    }
}

/**
 * Registers a function to be called with the instances of a service after each change of one of them.
 * @returns a function that unregisters it; nil, an error text and the details
 */
function on_change(
    this: State,
    service: string,
    fn: OnPeers,
    opts?: ListenOptions,
): MethodResult<(this: void) => void> {
    const problem = peer_lists.check_service(service) ?? checks.check_options(opts, LISTEN_OPTIONS);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (typeof fn !== "function") {
        return errors.bad_request("callback must be function");
    }
    if (!this.is_listening) {
        const [stop, err, details] = this.mirror.on_change(changes => {
            notify(this, changes);
        });
        if (stop === undefined) {
            return $multi(undefined, err, details);
        }
        this.is_listening = true;
    }
    const is_starting = opts?.initial === true && this.mirror.ready();
    const listener = base_listeners.new(is_starting) as ServiceListener & { fn: OnPeers };
    listener.fn = fn;
    replace(this, service, listener);
    if (is_starting) {
        base_listeners.start(listener, () => {
            call(this, service, listener);
        });
    }
    return $multi(() => {
        listener.is_stopped = true;
        replace(this, service, undefined);
    });
}

export { on_change, type ListenOptions, type State };
