// SPDX-License-Identifier: MIT
/** Prints the states of a client whose first token soon ends. Arguments: url, first token, others. */
import "./websocket.mjs";
const {ChatClient} = await import("../chat.js");

const [url, ...tokens] = process.argv.slice(2);
const next = tokens.length > 1 ? async () => tokens.length > 1 ? tokens.shift() : tokens[0] : tokens[0];
const client = new ChatClient(url, next, {device: "web", firstWaitMs: 20});
client.addEventListener("state", ({detail}) => console.log(`${detail.state} ${detail.code ?? ""}`));
client.start();
