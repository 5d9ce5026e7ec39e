// tls_server.mjs CERTIFICATE KEY - an HTTPS server on a free port of the loopback interface, whose number it prints.
//
// A response has as many bytes as X-Size of the request asks for, head included, and its value is the number of the request
// on its connection. If X-Extra is set, another response with the value "unasked" follows in the same TLS record.
import { readFileSync } from "node:fs";
import { createServer } from "node:tls";

const [cert, key] = process.argv.slice(2).map(path => readFileSync(path));

function response(value, size) {
    const text = Buffer.from(JSON.stringify(value)).toString("base64");
    const kv = `{"key":"aw==","value":"${text}","mod_revision":"1","create_revision":"1","version":"1"}`;
    const header = '{"cluster_id":"1","member_id":"1","revision":"7","raft_term":"2"}';
    let body = `{"header":${header},"kvs":[${kv}],"count":"1"}`;
    let all = "";
    while (all.length < size) {
        all = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
        body += " ";
    }
    return all;
}

const server = createServer({ cert, key }, socket => {
    let count = 0;
    let request = "";
    socket.on("error", () => {});
    socket.on("data", bytes => {
        request += bytes;
        if (!/\r\n\r\n\{.*\}$/s.test(request)) {
            return; // the body has not arrived yet
        }
        count += 1;
        const size = Number(/x-size: (\d+)/i.exec(request)[1]);
        socket.write(response(`${count}`, size) + (/x-extra/i.test(request) ? response("unasked", 1) : ""));
        request = "";
    });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
