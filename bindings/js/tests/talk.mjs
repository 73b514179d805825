// SPDX-License-Identifier: MIT
/**
 * Alice sends `count` messages to bob and says what happens, a JSON object a line; the caller may
 * do to the server what it likes meanwhile. Arguments: url, token of alice, token of bob, count.
 */
import "./websocket.mjs";
const {ChatClient} = await import("../chat.js");

const [url, aliceToken, bobToken, count] = process.argv.slice(2);
const say = (what, more = {}) => console.log(JSON.stringify({what, ...more}));
const alice = new ChatClient(url, aliceToken, {device: "js-a", firstWaitMs: 50});
const bob = new ChatClient(url, async () => bobToken, {device: "js-b", firstWaitMs: 50});

function online(client) {
    return new Promise((resolve) => client.addEventListener("state", ({detail}) => {
        if (detail.state === "online") resolve();
        if (detail.state === "waiting" || detail.state === "refused") say(detail.state, detail);
    }));
}

const both = Promise.all([online(alice), online(bob)]);
const bodies = [], seqs = [];
const all = new Promise((resolve) => bob.addEventListener("msg", ({detail}) => {
    bodies.push(detail.body);
    seqs.push(detail.seq);
    if (bodies.length === Number(count)) resolve();
}));
let echoes = 0;
alice.addEventListener("msg", () => echoes++);
alice.start();
bob.start();
await both;
say("online");
const sent = [];
for (let i = 0; i < Number(count); i++) {
    sent.push(alice.send({to: "bob"}, `${i} ü 👋`));
    if (i % 10 === 0) await sent[i];
    if (i % 50 === 0) say("sent", {i});
}
const acknowledged = (await Promise.all(sent)).map((frame) => frame.seq);
await all;
say("received", {bodies, seqs, acknowledged, echoes});
const {rows, result} = await alice.request("history", {to: "bob", limit: 2});
say("history", {bodies: rows.map((row) => row.body), more: result.more});
try {
    await alice.send({chat: "nowhere"}, "x");
} catch (error) {
    say("refused", {code: error.code, name: error.name});
}
alice.stop();
bob.stop();
