let object_shown: unknown;

/**
 * Lets the garbage collector meet a new object now. It looks again at large tables at the end of its cycle, in one
 * go, and what it has not met by then it follows in the same go: for 100,000 objects that takes 20 ms and more. But an
 * object that is put into an upvalue is met at once, and followed step by step.
 */
function mark_now<T>(object: T): T {
    object_shown = object;
    return object_shown as T;
}

export { mark_now };
