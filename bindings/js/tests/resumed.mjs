// SPDX-License-Identifier: MIT
/** What chat.js tells of `resumed` and `typing`, of a scripted server: the details, a JSON object a line. */
let socket = null;
const written = [];
globalThis.WebSocket = class {
    constructor() {
        socket = this;
        queueMicrotask(() => this.onopen());
    }
    send(text) { written.push(JSON.parse(text)); }
    close() {}
};
const {ChatClient} = await import("../chat.js");

const client = new ChatClient("ws://nowhere", "token", {device: "web", firstWaitMs: 1});
const hear = (frame) => socket.onmessage({data: JSON.stringify(frame)});
const settle = () => new Promise((resolve) => setImmediate(resolve));
const asked = () => written.findLast(({t}) => t === "history").r;
const gap = {t: "gap", chat: "room", after: "1", before: "4"};
const recovered = {t: "resumed", state: "recovered", count: 0};

client.addEventListener("msg", ({detail}) => console.log(JSON.stringify(detail.seq)));
client.addEventListener("resumed", ({detail}) => console.log(JSON.stringify(detail)));

async function connect() {
    const before = socket;
    if (before) before.onclose({code: 1006});
    else client.start();
    while (socket === before || !written.length || written.at(-1).t !== "hello") await settle();
    hear({t: "welcome", user: "alice", device: "web", heartbeat_ms: 30000});
}

// Behind the gap's last record.
await connect();
hear(gap);
hear({...recovered, state: "gap"});
await settle();
hear({t: "msg", r: asked(), chat: "room", seq: "3", id: "3", body: "x"});
hear({t: "result", r: asked(), count: 1});
await settle();

// A reset that waits for a page when its connection is lost.
await connect();
hear({...gap, after: "3", before: "9"});
hear({...recovered, state: "reset"});
await connect();
hear(recovered);

// A gap that history has nothing for, confirmed and not told.
await connect();
hear({...gap, after: "5", before: "9"});
await settle();
hear({t: "result", r: asked(), count: 0});
await settle();
await connect();
hear(recovered);
await connect();
hear(recovered);

// A message ends the typing of its author, the connection that of all.
for (const type of ["typing", "typing_ended"])
    client.addEventListener(type, ({detail}) => console.log(JSON.stringify([type, detail.user])));
for (const user of ["bob", "carol", "bob"]) hear({t: "typing", chat: "team", user});
hear({t: "msg", chat: "team", from: "bob", seq: "9", id: "9", body: "x"});
client.stop();
