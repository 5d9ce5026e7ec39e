/** @noSelfInFile */
declare function describe(name: string, block: () => void): void;
declare function it(name: string, block: () => void): void;
/** lua-types declares `assert()`; busted (luassert) adds these. */
declare namespace assert {
    function same(expected: unknown, actual: unknown, message?: string): void;
    function equal(expected: unknown, actual: unknown, message?: string): void;
    function is_nil(value: unknown, message?: string): void;
    function is_true(value: unknown, message?: string): void;
}

/** @noResolution */
declare module "spec.support.bed" {
    const bed: { single: { http: string } };
    export = bed;
}
