// The frames and header blocks of the driver against another implementation, nghttp2 in Node.js: a server that answers with
// many different header fields understands the requests, and the driver understands the answers.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";

const root = path.resolve(import.meta.dirname, "../..");
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "http2."));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

const STREAMS = ["1", "3", "5", "7", "9"];

const run = argument =>
    execFileSync(path.join(root, "tools/resty-run"), [path.join(import.meta.dirname, "http2.lua"), argument], {
        cwd: root,
        encoding: "utf8",
    });

/** Fields of the answer to a request: all printable characters in Huffman code, and fields that occur again. */
function fieldsOf(number) {
    const all = Array.from({ length: 256 }, (_, i) => i).filter(i => i > 31 && i !== 127);
    const fields = { "content-type": "application/grpc", "x-same": "same value", "x-number": number };
    for (let i = 0; i < all.length; i += 16) {
        fields[`x-${i}`] = `<${Buffer.from(all.slice(i, i + 16)).toString("latin1")}>${number.repeat(i)}`;
    }
    return fields;
}

/** Sends the bytes to a server, and returns the requests that it received and its bytes. */
async function exchange(bytes) {
    const requests = [];
    const received = [];
    let session;
    const server = http2.createServer();
    server.on("session", opened => {
        session = opened;
    });
    server.on("stream", (stream, headers) => {
        const chunks = [];
        stream.on("data", chunk => chunks.push(chunk));
        stream.on("end", () => {
            const number = headers[":path"].split("/").pop();
            requests.push({ headers, body: Buffer.concat(chunks).toString() });
            stream.respond({ ":status": 200, ...fieldsOf(number) }, { waitForTrailers: true });
            stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": number, "x-same": "same value" }));
            stream.end("answer ".repeat(6000) + number);
        });
        stream.on("close", () => requests.length === STREAMS.length && session.close());
    });
    await new Promise(resolve => server.listen(0, "127.0.0.1", resolve));
    const socket = net.connect(server.address().port, "127.0.0.1");
    socket.on("data", chunk => received.push(chunk));
    socket.write(bytes);
    await new Promise((resolve, reject) => {
        socket.on("end", resolve);
        socket.on("error", reject);
    });
    socket.destroy();
    server.close();
    return { requests, received: Buffer.concat(received) };
}

test("nghttp2 and the driver understand each other", async () => {
    const { requests, received } = await exchange(Buffer.from(run("request"), "base64"));
    for (const [i, request] of requests.entries()) {
        assert.equal(request.headers[":path"], `/path/${i + 1}`);
        assert.equal(request.headers[":method"], "POST");
        assert.equal(request.headers[":scheme"], "http");
        assert.equal(request.headers[":authority"], "example.com:2379");
        assert.equal(request.headers["content-type"], "application/grpc");
        assert.equal(request.headers.te, "trailers");
        assert.equal(request.headers.token, "secret");
        assert.deepEqual(request.headers[http2.sensitiveHeaders], ["token"]);
        assert.equal(request.headers["x-long"].length, 20000);
        assert.equal(request.body, `request ${i + 1}`);
    }
    assert.equal(requests.length, STREAMS.length);
    const file = path.join(scratch, "bytes");
    fs.writeFileSync(file, received);
    const found = JSON.parse(run(file));
    assert.ok(found.dynamic > 3000, "the server uses the dynamic table");
    assert.equal(found.acks, 1);
    assert.equal(found.ping, "12345678");
    for (const [i, id] of STREAMS.entries()) {
        const [headers, trailers] = found.headers[id];
        const decoded = Object.entries(headers).map(([name, value]) => [
            name,
            Buffer.from(value, "base64").toString("latin1"),
        ]);
        const { date, ...fields } = Object.fromEntries(decoded);
        assert.match(date, /GMT$/);
        assert.deepEqual(fields, { ":status": "200", ...fieldsOf(String(i + 1)) });
        assert.equal(Buffer.from(trailers["grpc-status"], "base64").toString(), String(i + 1));
        assert.equal(found.data[id], "answer ".repeat(6000) + (i + 1));
    }
});
