// SPDX-License-Identifier: MIT
/** Asks everything that a client may ask, once; alice stays. Arguments: url, token of alice, token of bob. */
import "./websocket.mjs";
const {ChatClient} = await import("../chat.js");

const [url, aliceToken, bobToken] = process.argv.slice(2);
const alice = new ChatClient(url, aliceToken, {device: "a"});
const bob = new ChatClient(url, bobToken, {device: "b"});
const heard = (client, type, isWanted = () => true) => new Promise((resolve) =>
    client.addEventListener(type, ({detail}) => isWanted(detail) && resolve(detail)));
const online = (client) => heard(client, "state", ({state}) => state === "online");

const both = Promise.all([online(alice), online(bob)]), message = heard(bob, "msg");
const receipt = heard(alice, "receipt"), typing = heard(alice, "typing");
alice.start();
bob.start();
await both;
const {id, seq, chat} = await alice.send({to: "bob"}, "hello");
await message;
await receipt;
bob.typing({chat});
await typing;

const team = {chat: "team"}, bobs = {users: ["bob"]};
for (const [client, type, fields] of [
    [bob, "read", {chat, seq}], [alice, "receipts", {chat, id}], [alice, "why", {chat, id}],
    [alice, "history", {chat}], [alice, "chats"], [bob, "react", {chat, re: id, reaction: "+1"}],
    [alice, "reactions", {chat, re: id}], [alice, "edit", {chat, re: id, body: "hallo"}],
    [alice, "delete", {chat, re: id}], [alice, "mute", {chat}], [alice, "block", {user: "bob"}],
    [alice, "blocks"], [alice, "unblock", {user: "bob"}], [alice, "chat.create", {...team, open: true}],
    [alice, "chat.update", {...team, title: "The team"}], [bob, "chat.join", team],
    [alice, "chat.role", {...team, user: "bob", role: "admin"}], [alice, "chat.members", team],
    [bob, "chat.leave", team], [alice, "chat.add", {...team, ...bobs}],
    [alice, "chat.remove", {...team, ...bobs}], [alice, "presence.get", bobs],
    [alice, "presence.watch", bobs], [bob, "presence.hide", {hidden: true}], [alice, "devices"],
]) await client.request(type, fields);
const removed = heard(bob, "state", ({state}) => state === "refused");
await bob.request("device.remove", {device: "b"}).catch(() => {});  // the answer may come too late
console.log((await removed).code);
