import type { Queue } from "./types";

function create<T>(): Queue<T> {
    return { items: new LuaMap(), first: 1, last: 0 };
}

function push<T>(queue: Queue<T>, item: T): void {
    queue.last = queue.last + 1;
    queue.items.set(queue.last, item);
}

/** Removes the first item and returns it, or nil if the queue is empty. */
function pop<T>(queue: Queue<T>): T | undefined {
    const first = queue.first;
    if (first > queue.last) {
        return undefined;
    }
    const item = queue.items.get(first);
    queue.items.delete(first);
    if (first === queue.last) {
        queue.first = 1; // the same slots again: the table does not grow
        queue.last = 0;
    } else {
        queue.first = first + 1;
    }
    return item;
}

/** Returns the first item, or nil if the queue is empty. */
function peek<T>(queue: Queue<T>): T | undefined {
    return queue.items.get(queue.first);
}

export { create as new, peek, pop, push };
