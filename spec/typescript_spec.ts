// The library as a TypeScript user sees it: this file compiles against the declarations that are shipped.
import * as etcd from "resty.etcd";
import * as health_check from "resty.etcd.health_check";
import * as utils from "resty.etcd.utils";

import bed = require("spec.support.bed");

describe("from TypeScript", () => {
    it("narrows results by their error", () => {
        const [cli, err] = etcd.new({ http_host: bed.single.http, transport: "cosocket", key_prefix: "/typescript" });
        if (err !== undefined) {
            error(err);
        }
        const [res, set_err, details] = cli.set("/key", { n: 1 }, { prev_kv: true });
        if (res === undefined) {
            const applied: boolean = details.maybe_applied;
            error(`${set_err} ${applied}`);
        }
        assert.equal(200, res.status);

        const [read] = cli.get("/key", { serializable: true, timeout: 3 });
        const kv = read?.body.kvs?.[0];
        assert.equal("/typescript/key", kv?.key);
        assert.same({ n: 1 }, kv?.value);
        const [, , misuse] = cli.get("");
        assert.equal("bad_request", misuse?.name);
        const [deleted] = cli.rmdir("/");
        assert.equal("1", deleted?.body.deleted);
    });

    it("knows the other modules", () => {
        assert.equal("/a/b", utils.normalize("a", undefined, "b"));
        assert.is_true(utils.is_empty_str(" "));
        assert.equal("round_robin", health_check.ROUND_ROBIN_MODE);
    });

    it("replaces methods of an instance", () => {
        const [cli] = etcd.new({ http_host: bed.single.http });
        const called: string[] = [];
        cli!.delete = function (key: string) {
            called.push(key);
            return $multi(undefined, "read only", {
                name: "mine",
                message: "read only",
                retryable: false,
                maybe_applied: false,
            });
        };
        const [, err] = cli!.delete("/x");
        assert.equal("read only", err);
        assert.same(["/x"], called);
    });
});
