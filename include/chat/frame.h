/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Frames: what client and server say to each other, one per WebSocket message. One table of
 * fields and one of frames give the struct, both codecs, the checks and docs/protocol.md.
 */
#ifndef CHAT_FRAME_H
#define CHAT_FRAME_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * X(NAME, key, json name, KIND, max, text)
 *
 * `key` is the integer key in CBOR; `t`, the type of the frame, has key 0 and is no row.
 * KIND  ID    text, chat_id_is_valid()                    -> chat_view
 *       CHAT  text, id of a group, direct chat or self stream -> chat_view
 *       TEXT  UTF-8 of at most `max` bytes, no U+0000     -> chat_view
 *       U64   any 64-bit number, in JSON a decimal string -> uint64_t
 *       UINT  a number up to 2^53, in JSON a number       -> uint64_t
 *       BOOL  true or false                               -> uint64_t, 0 or 1
 *       IDS   array of at most `max` ID                   -> chat_view_list
 */
#define CHAT_FIELD_TABLE(X)                                                                        \
    X(R, 1, r, UINT, 0, "number of a request, repeated by everything that answers it")             \
    X(CHAT, 2, chat, CHAT, 0, "chat id: of a group, a direct chat or a self stream")               \
    X(TO, 3, to, ID, 0, "user id: the direct chat with this user, instead of `chat`")              \
    X(CID, 4, cid, ID, 0, "the client's own id of what it sends, the same in every resend")        \
    X(BODY, 5, body, TEXT, UINT32_MAX, "content")                                                  \
    X(ID, 6, id, U64, 0, "message id, a snowflake: which message")                                 \
    X(SEQ, 7, seq, U64, 0, "where in the chat: strictly increasing, equal for every reader")       \
    X(PREV, 8, prev, U64, 0, "`seq` of the record before it in this chat, 0 for the first")        \
    X(TS, 9, ts, UINT, 0, "when the server took it, milliseconds since 1970")                      \
    X(N, 10, n, UINT, 0, "count of stream frames received since `welcome`")                        \
    X(FROM, 11, from, ID, 0, "user id of the author")                                              \
    X(USER, 12, user, ID, 0, "user id")                                                            \
    X(USERS, 13, users, IDS, CHAT_GROUP_MAX_MEMBERS, "user ids")                                   \
    X(DEVICE, 14, device, ID, 0, "device id, chosen by the client, stable over restarts")          \
    X(TITLE, 15, title, TEXT, CHAT_TITLE_MAX_BYTES, "title of a group, for people")                \
    X(STATE, 16, state, TEXT, 16,                                                                  \
      "`sent`, `delivered` or `read`; of `resumed`: `recovered`, `gap` or `reset`")                \
    X(CODE, 17, code, TEXT, 32, "machine-readable cause, see the table of codes")                  \
    X(TEXT, 18, text, TEXT, 512, "one line for people")                                            \
    X(RETRY_AFTER, 19, retry_after_ms, UINT, 0, "try again after so many milliseconds")            \
    X(BEFORE, 20, before, U64, 0, "records with a smaller `seq`, newest first")                    \
    X(AFTER, 21, after, U64, 0, "records with a larger `seq`, oldest first")                       \
    X(LIMIT, 22, limit, UINT, 0, "at most so many rows")                                           \
    X(HAS_MORE, 23, more, BOOL, 0, "there are more rows in this direction")                        \
    X(AGENT, 24, agent, TEXT, 128, "name and version of the software")                             \
    X(NEEDS, 25, needs, IDS, 32, "capabilities without which the sender cannot go on")             \
    X(HEARTBEAT, 26, heartbeat_ms, UINT, 0, "send something at least this often")                  \
    X(MAX_BODY, 27, max_body_bytes, UINT, 0, "largest `body`")                                     \
    X(RESEND, 28, resend, BOOL, 0, "this may have been sent before, over another connection")      \
    X(COUNT, 29, count, UINT, 0, "in `result` the number of rows before it, in `msg` of members")  \
    X(LAST_SEQ, 30, last_seq, U64, 0, "`seq` of the newest record of the chat")                    \
    X(ROLE, 31, role, TEXT, 16, "`owner`, `admin` or `member`")                                    \
    X(RE, 32, re, U64, 0, "id of the message that this is about")                                  \
    X(RE_SEQ, 33, re_seq, U64, 0, "`seq` of that message")                                         \
    X(OPEN, 34, open, BOOL, 0, "anybody may join the group")                                       \
    X(WHAT, 35, what, TEXT, 16,                                                                    \
      "`title`, `join`, `leave`, `add`, `remove` or `role`; `edit`, `delete` or `react`")          \
    X(ONLINE, 36, online, BOOL, 0,                                                                 \
      "a device of the user is connected, and the user does not hide")                             \
    X(HIDDEN, 37, hidden, BOOL, 0, "look offline to others")                                       \
    X(OF, 38, of, CHAT, 0, "the chat that a record of the self stream is about")                   \
    X(READ_SEQ, 39, read_seq, U64, 0, "I have read everything up to here")                         \
    X(CONN, 40, conn, U64, 0, "between nodes: connection that asked")                              \
    X(NODE, 41, node, UINT, 0, "between nodes: node of that connection")                           \
    X(KIND, 42, kind, UINT, 0, "between nodes: type of the frame that is forwarded")               \
    X(UNREAD, 43, unread, UINT, 0,                                                                 \
      "messages of others behind `read_seq`; 999 stands for more too")                             \
    X(MEMBERS, 44, members, IDS, CHAT_GROUP_MAX_MEMBERS, "between nodes: who is sent the record")  \
    X(EDITED, 45, edited, UINT, 0, "when the content was last replaced, as `ts`")                  \
    X(DELETED, 46, deleted, BOOL, 0, "the message was deleted: its `body` is empty")               \
    X(REACTION, 47, reaction, TEXT, CHAT_REACTION_MAX_BYTES, "what a user thinks of a message")    \
    X(UNTIL, 49, until, UINT, 0, "muted until then, as `ts`")                                      \
    X(IS_BLOCKED, 51, blocked, BOOL, 0, "whether `user` is blocked")

/**
 * X(NAME, number, json name, direction, REQUIRED fields, OPTIONAL fields, text)
 *
 * direction: CLIENT (to server), SERVER (to client), BOTH, NODE (between nodes; refused elsewhere).
 * A stream frame (text starts with "Stream.") is one of the device's delivery stream: `msg`, `chat`
 * `change`, `note`, `marker`, `setting` and `blocked` without `r`. They are counted from `welcome`
 * on, and `ack{n}` acknowledges the first n: the number is not written into them, so that all
 * recipients get the same bytes.
 */
#define CHAT_FRAME_TABLE(X)                                                                        \
    X(HELLO, 1, "hello", CLIENT, F(DEVICE), F(AGENT) | F(NEEDS), "First frame of a connection.")   \
    X(SEND, 2, "send", CLIENT, F(CID) | F(BODY), F(R) | F(CHAT) | F(TO) | F(RESEND) | F(RE),       \
      "Send a message to `chat`, or to the direct chat with `to`; with `re` it is a reply.")       \
    X(ACK, 3, "ack", CLIENT, F(N), F(CHAT) | F(SEQ),                                               \
      "The n-th stream frame and all before are safe with me; of a gap in `chat` all up to "       \
      "`seq`.")                                                                                    \
    X(HISTORY, 4, "history", CLIENT, F(R), F(CHAT) | F(TO) | F(BEFORE) | F(AFTER) | F(LIMIT),      \
      "A page of records: `msg`, `chat`, `change` rows with `r`, then `result`.")                  \
    X(CHATS, 5, "chats", CLIENT, F(R), F(LIMIT), "My chats: `chat` rows with `r`, then `result`.") \
    X(CHAT_CREATE, 6, "chat.create", CLIENT, F(R) | F(CHAT),                                       \
      F(TITLE) | F(USERS) | F(OPEN) | F(RESEND),                                                   \
      "Make a group of me and `users`; answered by `result`.")                                     \
    X(PING, 7, "ping", CLIENT, 0, F(R), "Answered by `pong`.")                                     \
    X(CHAT_UPDATE, 8, "chat.update", CLIENT, F(R) | F(CHAT) | F(TITLE), F(RESEND),                 \
      "Give the group another title: its owners and admins may.")                                  \
    X(CHAT_JOIN, 9, "chat.join", CLIENT, F(R) | F(CHAT), F(RESEND),                                \
      "Become a member of a group that is open.")                                                  \
    X(CHAT_LEAVE, 10, "chat.leave", CLIENT, F(R) | F(CHAT), F(RESEND), "Be no member any more.")   \
    X(CHAT_ADD, 11, "chat.add", CLIENT, F(R) | F(CHAT) | F(USERS), F(RESEND),                      \
      "Make `users` members: owners and admins may.")                                              \
    X(CHAT_REMOVE, 12, "chat.remove", CLIENT, F(R) | F(CHAT) | F(USERS), F(RESEND),                \
      "Remove `users`: owners may, admins only those who have no role.")                           \
    X(CHAT_ROLE, 13, "chat.role", CLIENT, F(R) | F(CHAT) | F(USER) | F(ROLE), F(RESEND),           \
      "Give `user` a role: owners may.")                                                           \
    X(CHAT_MEMBERS, 14, "chat.members", CLIENT, F(R) | F(CHAT), 0,                                 \
      "Who is in the group: `member` rows, then `result`.")                                        \
    X(EDIT, 15, "edit", CLIENT, F(R) | F(RE) | F(BODY), F(CHAT) | F(TO) | F(CID) | F(RESEND),      \
      "Give my message `re` another content.")                                                     \
    X(DELETE, 16, "delete", CLIENT, F(R) | F(RE), F(CHAT) | F(TO) | F(CID) | F(RESEND),            \
      "Delete the message `re`: its author, owners and admins may.")                               \
    X(REACT, 17, "react", CLIENT, F(R) | F(RE),                                                    \
      F(CHAT) | F(TO) | F(REACTION) | F(CID) | F(RESEND),                                          \
      "What I think of the message `re`; without `reaction` nothing any more.")                    \
    X(WHY, 18, "why", CLIENT, F(R) | F(ID), F(CHAT) | F(TO) | F(DEVICE),                           \
      "Where is message `id`? `trail` rows with `r`, of one device if it is named, then "          \
      "`result`.")                                                                                 \
    X(REACTIONS, 19, "reactions", CLIENT, F(R) | F(RE), F(CHAT) | F(TO),                           \
      "What is thought of the message `re`: `note` rows with `r`, then `result`.")                 \
    X(TYPING, 20, "typing", BOTH, 0, F(CHAT) | F(TO) | F(USER),                                    \
      "I am typing in `chat` or to `to`; to the other members: `user` is typing in `chat`.")       \
    X(PRESENCE_GET, 21, "presence.get", CLIENT, F(R) | F(USERS), 0,                                \
      "Who of `users` is online: `presence` rows with `r`, then `result`.")                        \
    X(PRESENCE_WATCH, 22, "presence.watch", CLIENT, F(R) | F(USERS), 0,                            \
      "The same, and `presence` without `r` on change; replaces the list of this connection.")     \
    X(PRESENCE_HIDE, 23, "presence.hide", CLIENT, F(R) | F(HIDDEN), 0,                             \
      "Look offline to others, or no longer; answered by `result`.")                               \
    X(READ, 24, "read", CLIENT, F(R) | F(SEQ), F(CHAT) | F(TO),                                    \
      "I have read everything up to `seq`; `result` says what counts now.")                        \
    X(RECEIPTS, 25, "receipts", CLIENT, F(R) | F(ID), F(CHAT) | F(TO),                             \
      "Who has message `id`? `receipt` rows with `r`, then `result`.")                             \
    X(DEVICES, 26, "devices", CLIENT, F(R), 0,                                                     \
      "My devices: `device` rows with `r`, then `result`.")                                        \
    X(DEVICE_REMOVE, 27, "device.remove", CLIENT, F(R) | F(DEVICE), 0,                             \
      "Forget my device and close its connection; answered by `result`.")                          \
    X(BLOCK, 28, "block", CLIENT, F(R) | F(USER), 0,                                               \
      "Take nothing of `user` in our direct chat, and look offline to him.")                       \
    X(UNBLOCK, 29, "unblock", CLIENT, F(R) | F(USER), 0, "`user` is no longer blocked.")           \
    X(BLOCKS, 30, "blocks", CLIENT, F(R), 0,                                                       \
      "Whom I have blocked: `blocked` rows with `r`, then `result`.")                              \
    X(MUTE, 31, "mute", CLIENT, F(R), F(CHAT) | F(TO) | F(UNTIL),                                  \
      "Do not notify me of this chat until then; without `until`, or with 0: no longer muted.")    \
    X(WELCOME, 32, "welcome", SERVER, F(USER) | F(DEVICE) | F(HEARTBEAT) | F(MAX_BODY),            \
      F(AGENT) | F(TS), "Answer to `hello`: the connection is live.")                              \
    X(SENT, 33, "sent", SERVER, F(CID) | F(CHAT) | F(ID) | F(SEQ) | F(TS), F(R),                   \
      "The message is durable.")                                                                   \
    X(MSG, 34, "msg", SERVER, F(CHAT) | F(FROM) | F(ID) | F(TS) | F(BODY),                         \
      F(R) | F(SEQ) | F(PREV) | F(CID) | F(COUNT) | F(RE) | F(EDITED) | F(DELETED),                \
      "Stream. A message, sent to `count` members; with `r` a row of `history`.")                  \
    X(RECEIPT, 35, "receipt", SERVER, F(CHAT) | F(USER) | F(SEQ) | F(STATE), F(R) | F(TS),         \
      "`user` has, or has read, everything up to `seq`; with `r` a row of `receipts`.")            \
    X(CHAT, 36, "chat", SERVER, F(CHAT),                                                           \
      F(R) | F(FROM) | F(ID) | F(SEQ) | F(PREV) | F(TS) | F(TITLE) | F(USERS) | F(LAST_SEQ) |      \
          F(CID) | F(READ_SEQ) | F(UNREAD) | F(OPEN) | F(UNTIL),                                   \
      "Stream. A chat was made; with `r` a row of `chats` or `history`.")                          \
    X(RESULT, 37, "result", SERVER, F(R), F(COUNT) | F(HAS_MORE) | F(CHAT) | F(ID) | F(SEQ),       \
      "A request is done.")                                                                        \
    X(ERROR, 38, "error", SERVER, F(CODE), F(R) | F(CID) | F(CHAT) | F(TEXT) | F(RETRY_AFTER),     \
      "A request is refused; the connection goes on.")                                             \
    X(BYE, 39, "bye", SERVER, F(CODE), F(TEXT) | F(RETRY_AFTER),                                   \
      "The server closes next; come back after `retry_after_ms`.")                                 \
    X(PONG, 40, "pong", SERVER, 0, F(R) | F(TS), "Answer to `ping`.")                              \
    X(CHANGE, 41, "change", SERVER, F(CHAT) | F(FROM) | F(ID) | F(TS) | F(WHAT),                   \
      F(R) | F(SEQ) | F(PREV) | F(TITLE) | F(USERS) | F(USER) | F(ROLE),                           \
      "Stream. `from` changed the group; with `r` a row of `history`.")                            \
    X(NOTE, 42, "note", SERVER, F(CHAT) | F(FROM) | F(ID) | F(TS) | F(WHAT) | F(RE) | F(RE_SEQ),   \
      F(R) | F(SEQ) | F(PREV) | F(CID) | F(BODY) | F(REACTION),                                    \
      "Stream. `from` did `what` to the message `re`; with `r` a row of `history`, `reactions`.")  \
    X(MEMBER, 43, "member", SERVER, F(R) | F(CHAT) | F(USER) | F(ROLE), 0,                         \
      "A row of `chat.members`.")                                                                  \
    X(PRESENCE, 45, "presence", SERVER, F(USER) | F(ONLINE), F(R) | F(TS) | F(CODE),               \
      "`user` is online, or was last seen at `ts`; with `r` a row. `code`: why it is not known.")  \
    X(MARKER, 46, "marker", SERVER, F(OF) | F(READ_SEQ),                                           \
      F(CHAT) | F(FROM) | F(ID) | F(TS) | F(SEQ) | F(PREV),                                        \
      "Stream. I have read the chat `of` up to `read_seq`, here or on another device.")            \
    X(DEVICE, 47, "device", SERVER, F(R) | F(DEVICE) | F(ONLINE) | F(TS), 0,                       \
      "A row of `devices`: connected now, or last seen at `ts`.")                                  \
    X(BLOCKED, 48, "blocked", SERVER, F(USER) | F(IS_BLOCKED),                                     \
      F(R) | F(OF) | F(CHAT) | F(FROM) | F(ID) | F(TS) | F(SEQ) | F(PREV),                         \
      "Stream. I blocked `user`, here or on another device, or no longer; with `r` a row of "      \
      "`blocks`.")                                                                                 \
    X(RESUMED, 49, "resumed", SERVER, F(STATE) | F(COUNT), F(CHAT) | F(AFTER) | F(BEFORE),         \
      "What this device lacked at `hello` was pushed: `count` records; once a connection.")        \
    X(SETTING, 50, "setting", SERVER, F(OF) | F(UNTIL),                                            \
      F(CHAT) | F(FROM) | F(ID) | F(TS) | F(SEQ) | F(PREV),                                        \
      "Stream. I muted the chat `of`, here or on another device; `until` 0: no longer.")           \
    X(GAP, 51, "gap", SERVER, F(CHAT) | F(AFTER) | F(BEFORE), 0,                                   \
      "Not sent, for it is too much or too old: what `history` has between `after` and `before`.") \
    X(TRAIL, 52, "trail", SERVER, F(R) | F(STATE), F(USER) | F(DEVICE) | F(TS),                    \
      "A row of `why`: the message was `state` at `ts`, for `user`, on `device`.")                 \
    X(SUBMIT, 128, "node.submit", NODE, F(CONN) | F(NODE) | F(KIND) | F(FROM) | F(CHAT),           \
      F(R) | F(DEVICE) | F(CID) | F(BODY) | F(TITLE) | F(USERS) | F(RESEND) | F(OF) |              \
          F(READ_SEQ) | F(USER) | F(ROLE) | F(OPEN) | F(RE) | F(REACTION) | F(UNTIL),              \
      "A user's request on its way to the chat's owner.")                                          \
    X(ANSWER, 129, "node.answer", NODE, F(CONN) | F(KIND),                                         \
      F(R) | F(CHAT) | F(CID) | F(ID) | F(SEQ) | F(TS) | F(CODE) | F(TEXT) | F(RETRY_AFTER),       \
      "The owner's answer on its way to the connection.")                                          \
    X(PUSH, 130, "node.push", NODE,                                                                \
      F(KIND) | F(CHAT) | F(FROM) | F(ID) | F(SEQ) | F(PREV) | F(TS),                              \
      F(BODY) | F(CID) | F(TITLE) | F(USERS) | F(CONN) | F(R) | F(TO) | F(COUNT) | F(OF) |         \
          F(READ_SEQ) | F(OPEN) | F(WHAT) | F(USER) | F(ROLE) | F(MEMBERS) | F(RE) | F(RE_SEQ) |   \
          F(REACTION) | F(UNTIL) | F(IS_BLOCKED),                                                  \
      "A durable record for members that live on this node.")                                      \
    X(DELIVERED, 131, "node.delivered", NODE, F(TO) | F(CHAT) | F(USER) | F(SEQ) | F(STATE), 0,    \
      "A receipt on its way to the author `to`.")                                                  \
    X(BLOCK_TELL, 143, "node.block", NODE,                                                         \
      F(CHAT) | F(OF) | F(FROM) | F(USER) | F(IS_BLOCKED) | F(N), 0,                               \
      "`from` has blocked `user`, or no longer: to the owner of their chat `of` and the node of "  \
      "`user`. Answered by node.block.done.")                                                      \
    X(BLOCK_DONE, 144, "node.block.done", NODE, F(CHAT) | F(N), 0,                                 \
      "It holds on the sending node; to the owner of the self stream `chat`.")                     \
    X(WHY_ASK, 146, "node.why.ask", NODE, F(CONN) | F(N) | F(CHAT) | F(SEQ) | F(USERS), 0,         \
      "What happened to this record for `users`, who live on this node? Ends with "                \
      "node.presence.end.")                                                                        \
    X(WHY_ROW, 147, "node.why.row", NODE, F(CONN) | F(N) | F(USER) | F(STATE) | F(TS), F(DEVICE),  \
      "A row of the answer.")                                                                      \
    X(PRESENCE_ASK, 132, "node.presence.ask", NODE, F(CONN) | F(N) | F(KIND) | F(USERS), 0,        \
      "Who of `users`, who live on this node, is online? `kind` presence.watch: tell changes "     \
      "too.")                                                                                      \
    X(PRESENCE_ROW, 133, "node.presence.row", NODE, F(CONN) | F(N) | F(USER) | F(ONLINE), F(TS),   \
      "A row of the answer.")                                                                      \
    X(PRESENCE_END, 134, "node.presence.end", NODE, F(CONN) | F(N), F(CODE),                       \
      "The answer of this node is complete.")                                                      \
    X(PRESENCE_DROP, 135, "node.presence.drop", NODE, F(USERS), 0,                                 \
      "Nobody on the sending node watches these users any more.")                                  \
    X(PRESENCE_TELL, 136, "node.presence.tell", NODE, F(USER) | F(ONLINE), F(TS),                  \
      "A watched user came or went.")                                                              \
    X(TYPING_ASK, 137, "node.typing", NODE, F(CHAT) | F(FROM), 0,                                  \
      "`from` is typing, on its way to the chat's owner.")                                         \
    X(TYPING_PUSH, 138, "node.typing.push", NODE, F(CHAT) | F(USER) | F(USERS), 0,                 \
      "`user` is typing, on its way to `users`.")

/** Types of frames; the value is the number in CBOR. */
typedef enum chat_frame_type {
#define CHAT_FRAME_ENUM(name, number, json, direction, required, optional, text)                   \
    CHAT_FRAME_##name = number,
    CHAT_FRAME_TABLE(CHAT_FRAME_ENUM)
#undef CHAT_FRAME_ENUM
} chat_frame_type;

/** One bit for each field, for `chat_frame.has`. */
#define CHAT_FIELD_BIT(key) (UINT64_C(1) << (key))

enum {
#define CHAT_FIELD_ENUM(name, key, json, kind, max, text) CHAT_FIELD_KEY_##name = key,
    CHAT_FIELD_TABLE(CHAT_FIELD_ENUM)
#undef CHAT_FIELD_ENUM
};

/** Borrowed list of borrowed views. */
typedef struct chat_view_list {
    const chat_view *items; /**< borrowed */
    size_t n_items;         /**< how many */
} chat_view_list;

/**
 * One frame: its type, which fields it has, and their values. Fields that `has` does not name are
 * meaningless. Views borrow from the bytes that were decoded (or from the decoder, for JSON escapes
 * and lists) and live until the decoder is used again. Newer versions take from `reserved`.
 */
typedef struct chat_frame {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t type;        /**< chat_frame_type */
    uint64_t has;         /**< CHAT_FIELD_BIT of each field that is there */
#define CHAT_FIELD_TYPE_ID                                  chat_view
#define CHAT_FIELD_TYPE_CHAT                                chat_view
#define CHAT_FIELD_TYPE_TEXT                                chat_view
#define CHAT_FIELD_TYPE_U64                                 uint64_t
#define CHAT_FIELD_TYPE_UINT                                uint64_t
#define CHAT_FIELD_TYPE_BOOL                                uint64_t
#define CHAT_FIELD_TYPE_IDS                                 chat_view_list
#define CHAT_FIELD_MEMBER(name, key, json, kind, max, text) CHAT_FIELD_TYPE_##kind json;
    CHAT_FIELD_TABLE(CHAT_FIELD_MEMBER)
#undef CHAT_FIELD_MEMBER
    uint64_t reserved[12]; /**< 0 */
} chat_frame;

/** Set a field and its bit: CHAT_FRAME_SET(&frame, SEQ, seq, 17). */
#define CHAT_FRAME_SET(frame, NAME, member, value)                                                 \
    ((frame)->member = (value), (frame)->has |= CHAT_FIELD_BIT(CHAT_FIELD_KEY_##NAME))

/** Whether a frame has a field: CHAT_FRAME_HAS(&frame, SEQ). */
#define CHAT_FRAME_HAS(frame, NAME) (((frame)->has & CHAT_FIELD_BIT(CHAT_FIELD_KEY_##NAME)) != 0)

/** The encodings; each is a WebSocket subprotocol: "chat.v1.cbor", "chat.v1.json". */
typedef enum chat_encoding { CHAT_ENCODING_CBOR = 1, CHAT_ENCODING_JSON = 2 } chat_encoding;

/** Holds what decoded views borrow from. One per thread suffices; not per connection. */
typedef struct chat_decoder chat_decoder;

/**
 * Make a decoder.
 * Memory: from `allocator` (NULL: libc); a few KB, does not grow. JSON is parsed by cJSON, which
 *         takes its memory from libc, at most some 100 bytes for each of CHAT_JSON_MAX_VALUES.
 * @return CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_decoder_new(const chat_allocator *allocator, size_t max_frame_bytes,
                                      chat_decoder **out);

/** Free a decoder and all that its frames borrowed. NULL does nothing. */
CHAT_API void chat_decoder_free(chat_decoder *decoder);

/** Zero a frame, set `struct_size` and `type`. */
CHAT_API void chat_frame_init(chat_frame *frame, chat_frame_type type);

/** Most values (of any kind, at any depth) that a JSON frame may hold. */
#define CHAT_JSON_MAX_VALUES 2048u
/** Deepest nesting in a frame, the frame's own map counted. */
#define CHAT_FRAME_MAX_DEPTH 16u

/**
 * Decode one whole frame and check it against the tables: required fields there, kinds, maxima and
 * UTF-8 right, ids valid, `chat` a valid group or direct chat id. Unknown fields are skipped, and
 * so are known ones that are no field of this type. The direction is not looked at.
 *
 * CBOR may come in any well-formed encoding; only a text of the table must not be in chunks.
 *
 * Thread: one caller at a time per decoder.
 * Memory: `*out` borrows from `bytes` and `decoder`; no allocation in CBOR. It need not be
 * prepared. Time:   linear in the length.
 *
 * @return CHAT_OK
 * @return CHAT_ERR_SYNTAX       no well-formed CBOR (RFC 8949) or JSON (RFC 8259), or not UTF-8,
 *                               or U+0000 in JSON
 * @return CHAT_ERR_ARG          well-formed, but a field is missing, there twice, of another kind
 *                               or out of range; `out->type`, `r` and `cid` are set as far as they
 *                               were readable (ask `has`), nothing else
 * @return CHAT_ERR_UNSUPPORTED  a type that is not in the table; as for CHAT_ERR_ARG
 * @return CHAT_ERR_LIMIT        longer than the decoder's maximum, too deep, or too many values;
 *                               `out` has no field
 * @return CHAT_ERR_NOMEM        `out` has no field
 */
CHAT_API chat_status chat_frame_decode(chat_decoder *decoder, chat_encoding encoding,
                                       chat_view bytes, chat_frame *out);

/** Most bytes that encoding this frame can take. Time: linear in the length of its texts. */
CHAT_API size_t chat_frame_size_bound(chat_encoding encoding, const chat_frame *frame);

/**
 * Encode a frame. CBOR is deterministic (RFC 8949 section 4.2: shortest forms, keys ascending).
 * Fields that are set but are no field of the type are left out. What comes out can be decoded.
 *
 * Memory: writes at most `cap` bytes to `out`, on errors too; allocates nothing.
 * @return CHAT_OK, `*out_len` written; CHAT_ERR_LIMIT when `cap` is too small; CHAT_ERR_ARG for a
 *         type that is not in the table, a required field that is missing, or a value that
 *         chat_frame_decode() would refuse
 */
CHAT_API chat_status chat_frame_encode(chat_encoding encoding, const chat_frame *frame,
                                       uint8_t *out, size_t cap, size_t *out_len);

/** Name of a type as in JSON, "?" for an unknown one. Memory: static text. */
CHAT_API const char *chat_frame_type_name(uint32_t type);

/** Direction of a type: 'c' from client, 's' from server, 'n' between nodes, 0 unknown. */
CHAT_API char chat_frame_direction(uint32_t type);

#ifdef __cplusplus
}
#endif

#endif
