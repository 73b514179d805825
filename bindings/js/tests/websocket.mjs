// SPDX-License-Identifier: MIT
/** The little of a browser that chat.js uses, for a Node that has no WebSocket (before 22). */
import net from "node:net";
import {randomBytes, webcrypto} from "node:crypto";

class PlainWebSocket {
    #socket; #buffer = Buffer.alloc(0); #isOpen = false; #end = {code: 1006, reason: ""};

    constructor(url, protocols) {
        const {hostname, port, host} = new URL(url);
        const lines = ["GET / HTTP/1.1", `Host: ${host}`, "Upgrade: websocket",
                       "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                       `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
                       `Sec-WebSocket-Protocol: ${protocols.join(", ")}`, "", ""];
        this.#socket = net.connect(Number(port), hostname, () => {
            this.#socket.write(lines.join("\r\n"));
        });
        this.#socket.on("data", (data) => this.#take(data));
        this.#socket.on("error", () => {});
        this.#socket.on("close", () => this.onclose?.(this.#end));
    }

    #take(data) {
        this.#buffer = Buffer.concat([this.#buffer, data]);
        if (!this.#isOpen) {
            const end = this.#buffer.indexOf("\r\n\r\n");
            if (end < 0) return;
            if (!this.#buffer.toString().startsWith("HTTP/1.1 101")) {
                this.#socket.destroy();
                return;
            }
            this.#buffer = this.#buffer.subarray(end + 4);
            this.#isOpen = true;
            this.onopen?.();
        }
        while (this.#frame());
    }

    #frame() {
        const head = this.#buffer;
        if (head.length < 2) return false;
        let length = head[1], start = 2;
        if (length === 126) [length, start] = [head.length < 4 ? Infinity : head.readUInt16BE(2), 4];
        else if (length === 127)
            [length, start] = [head.length < 10 ? Infinity : Number(head.readBigUInt64BE(2)), 10];
        if (head.length < start + length) return false;
        const payload = head.subarray(start, start + length), opcode = head[0] & 15;
        this.#buffer = head.subarray(start + length);
        if (opcode === 1) this.onmessage?.({data: payload.toString()});
        else if (opcode === 9) this.#write(10, payload);
        else if (opcode === 8) {
            if (length >= 2) this.#end = {code: payload.readUInt16BE(0), reason: ""};
            this.#socket.end();
        }
        return true;
    }

    #write(opcode, payload) {
        const mask = randomBytes(4), n = payload.length;
        const head = n < 126 ? [n] : n < 65536 ? [126, n >> 8, n & 255] : null;
        if (!head) throw new Error("longer than the tests need");
        head[0] |= 128;
        this.#socket.write(Buffer.concat([Buffer.from([128 | opcode, ...head]), mask,
                                          payload.map((byte, i) => byte ^ mask[i % 4])]));
    }

    send(text) { this.#write(1, Buffer.from(text)); }

    close() { this.#socket.end(); }
}

globalThis.WebSocket ??= PlainWebSocket;
globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= class extends Event {
    constructor(type, {detail}) { super(type); this.detail = detail; }
};
