import type { MethodResult } from "../protocol/errors";
import type { Mirror, Status } from "./mirror";

/** An object that reads from a mirror and has some of the mirror's methods. */
interface Facade {
    readonly mirror: Mirror;
}

/** As `m:age()`. */
function age(this: Facade): number {
    return this.mirror.age();
}

/** As `m:close()`. */
function close(this: Facade): true {
    return this.mirror.close();
}

/** As `m:ready()`. */
function ready(this: Facade): boolean {
    return this.mirror.ready();
}

/** As `m:state()`. */
function state_of(this: Facade): Status {
    return this.mirror.state();
}

/** As `m:wait_ready()`. */
function wait_ready(this: Facade, timeout?: number): MethodResult<true> {
    return this.mirror.wait_ready(timeout);
}

export { age, close, ready, state_of, wait_ready, type Facade };
