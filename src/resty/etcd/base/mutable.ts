/**
 * A readonly structure as its only writer sees it. The file that owns the structure takes it as `Mutable`, all others
 * import the readonly type, so that the compiler finds writes elsewhere.
 */
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type { Mutable };
