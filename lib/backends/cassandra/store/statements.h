/* SPDX-License-Identifier: MIT */
/*
 * All statements of the store. X(NAME, text): $K stands for the keyspace; the values of each are
 * named by its text, in its order. Writes say their own timestamp: the newest counts, and what is
 * done again changes nothing. At most CHAT_CASSANDRA_MAX_STATEMENTS.
 */
#ifndef CHAT_CASSANDRA_STORE_STATEMENTS_H
#define CHAT_CASSANDRA_STORE_STATEMENTS_H

#define CHAT__CSTORE_WRITES(X)                                                                     \
    X(PUT_MESSAGE, "INSERT INTO $K.messages (chat_id, bucket, seq, id, kind, prev, ordinal, "      \
                   "payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?")                   \
    X(PUT_BUCKET, "INSERT INTO $K.message_buckets (chat_id, bucket) VALUES (?, ?) "                \
                  "USING TIMESTAMP ?")                                                             \
    X(PUT_HEAD, "INSERT INTO $K.chats (chat_id, head_seq, head_ordinal) VALUES (?, ?, ?) "         \
                "USING TIMESTAMP ?")                                                               \
    X(PUT_GROUP, "INSERT INTO $K.chats (chat_id, title, is_open, created_ms) "                     \
                 "VALUES (?, ?, ?, ?) USING TIMESTAMP ?")                                          \
    X(PUT_TITLE, "INSERT INTO $K.chats (chat_id, title) VALUES (?, ?) USING TIMESTAMP ?")          \
    X(PUT_NOTED, "INSERT INTO $K.chats (chat_id, has_notes) VALUES (?, ?) USING TIMESTAMP ?")      \
    X(PUT_MEMBER, "INSERT INTO $K.members (chat_id, user_id, seq, value) VALUES (?, ?, ?, ?) "     \
                  "USING TIMESTAMP ?")                                                             \
    X(PUT_MEMBERSHIP, "INSERT INTO $K.memberships (user_id, chat_id, seq, value) "                 \
                      "VALUES (?, ?, ?, ?) USING TIMESTAMP ?")                                     \
    X(PUT_READ, "INSERT INTO $K.last_read (user_id, chat_id, seq) VALUES (?, ?, ?) "               \
                "USING TIMESTAMP ?")                                                               \
    X(PUT_READ_BY, "INSERT INTO $K.read_by (chat_id, user_id, seq) VALUES (?, ?, ?) "              \
                   "USING TIMESTAMP ?")                                                            \
    X(PUT_DELIVERED, "INSERT INTO $K.delivered (chat_id, user_id, seq) VALUES (?, ?, ?) "          \
                     "USING TIMESTAMP ?")                                                          \
    X(PUT_SINCE, "INSERT INTO $K.since (user_id, chat_id, type, seq, low, at_ms) "                 \
                 "VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?")                                    \
    X(PUT_MUTE, "INSERT INTO $K.mutes (user_id, chat_id, until_ms, seq) VALUES (?, ?, ?, ?) "      \
                "USING TIMESTAMP ?")                                                               \
    X(PUT_BLOCK, "INSERT INTO $K.blocks (user_id, whom, value, seq) VALUES (?, ?, ?, ?) "          \
                 "USING TIMESTAMP ?")                                                              \
    X(PUT_BLOCKED_BY, "INSERT INTO $K.blocked_by (whom, user_id, value, seq) "                     \
                      "VALUES (?, ?, ?, ?) USING TIMESTAMP ?")                                     \
    X(PUT_NOTE, "INSERT INTO $K.notes (chat_id, re_seq, what, user_id, seq) "                      \
                "VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?")                                        \
    X(PUT_EDIT, "INSERT INTO $K.edits (chat_id, re_seq, seq) VALUES (?, ?, ?) USING TIMESTAMP ?")  \
    X(PUT_DEVICE, "INSERT INTO $K.devices (user_id, device_id, seen_ms, generation) "              \
                  "VALUES (?, ?, ?, ?) USING TIMESTAMP ?")                                         \
    X(SEE_DEVICE, "INSERT INTO $K.devices (user_id, device_id, seen_ms) VALUES (?, ?, ?) "         \
                  "USING TIMESTAMP ?")                                                             \
    X(DROP_DEVICE, "DELETE FROM $K.devices USING TIMESTAMP ? WHERE user_id = ? "                   \
                   "AND device_id = ?")                                                            \
    X(PUT_CURSOR, "INSERT INTO $K.cursors (user_id, device_id, generation, chat_id, seq) "         \
                  "VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?")                                      \
    X(DROP_CURSORS, "DELETE FROM $K.cursors USING TIMESTAMP ? WHERE user_id = ? "                  \
                    "AND device_id = ? AND generation = ?")                                        \
    X(PUT_KEPT, "INSERT INTO $K.kept (user_id, chat_id, seq) VALUES (?, ?, ?) USING TIMESTAMP ?")

/* What the writing side looks up. */
#define CHAT__CSTORE_LOOKS(X)                                                                      \
    X(GET_HEAD, "SELECT head_seq, head_ordinal, has_notes FROM $K.chats WHERE chat_id = ?")        \
    X(GET_PLACE, "SELECT seq, prev, ordinal FROM $K.messages WHERE chat_id = ? AND bucket = ? "    \
                 "AND seq <= ? LIMIT 1")                                                           \
    X(GET_RECORD, "SELECT id, kind, prev, ordinal, payload FROM $K.messages WHERE chat_id = ? "    \
                  "AND bucket = ? AND seq = ?")                                                    \
    X(GET_EDITS, "SELECT seq FROM $K.edits WHERE chat_id = ? AND re_seq = ?")                      \
    X(GET_READ, "SELECT seq FROM $K.last_read WHERE user_id = ? AND chat_id = ?")                  \
    X(GET_DELIVERED, "SELECT seq FROM $K.delivered WHERE chat_id = ? AND user_id = ?")             \
    X(GET_DEVICE, "SELECT seen_ms, generation FROM $K.devices WHERE user_id = ? "                  \
                  "AND device_id = ?")                                                             \
    X(GET_DEVICES, "SELECT device_id, seen_ms, generation FROM $K.devices WHERE user_id = ?")      \
    X(GET_KEPT, "SELECT chat_id, seq FROM $K.kept WHERE user_id = ?")

/* What the reading side asks besides. */
#define CHAT__CSTORE_READS(X)                                                                      \
    X(GET_CHAT, "SELECT head_seq, head_ordinal, has_notes, is_open, created_ms, title "            \
                "FROM $K.chats WHERE chat_id = ?")                                                 \
    X(GET_BUCKETS, "SELECT bucket FROM $K.message_buckets WHERE chat_id = ?")                      \
    X(GET_MEMBERS, "SELECT user_id, seq, value FROM $K.members WHERE chat_id = ?")                 \
    X(GET_EVENTS, "SELECT user_id, seq, value FROM $K.members WHERE chat_id = ? "                  \
                  "AND user_id = ?")                                                               \
    X(GET_MEMBERSHIPS, "SELECT chat_id, seq, value FROM $K.memberships WHERE user_id = ?")         \
    X(READ_BACK, "SELECT seq, prev, id, kind, payload FROM $K.messages WHERE chat_id = ? "         \
                 "AND bucket = ? AND seq >= ? AND seq <= ?")                                       \
    X(READ_ON, "SELECT seq, prev, id, kind, payload FROM $K.messages WHERE chat_id = ? "           \
               "AND bucket = ? AND seq >= ? AND seq <= ? ORDER BY seq ASC")                        \
    X(GET_SEQS, "SELECT seq FROM $K.messages WHERE chat_id = ? AND bucket = ? AND seq > ? "        \
                "AND seq <= ?")                                                                    \
    X(GET_NOTES, "SELECT re_seq, user_id, seq FROM $K.notes WHERE chat_id = ? AND what = ? "       \
                 "AND re_seq >= ? AND re_seq <= ?")                                                \
    X(GET_READS, "SELECT chat_id, seq FROM $K.last_read WHERE user_id = ?")                        \
    X(GET_READ_BY, "SELECT user_id, seq FROM $K.read_by WHERE chat_id = ?")                        \
    X(GET_DELIVERED_TO, "SELECT user_id, seq FROM $K.delivered WHERE chat_id = ?")                 \
    X(GET_SINCE, "SELECT at_ms, low FROM $K.since WHERE user_id = ? AND chat_id = ? "              \
                 "AND type = ? AND seq >= ? LIMIT 1")                                              \
    X(GET_MUTES, "SELECT chat_id, until_ms FROM $K.mutes WHERE user_id = ?")                       \
    X(GET_MUTE, "SELECT until_ms FROM $K.mutes WHERE user_id = ? AND chat_id = ?")                 \
    X(GET_CURSORS, "SELECT chat_id, seq FROM $K.cursors WHERE user_id = ? AND device_id = ? "      \
                   "AND generation = ?")                                                           \
    X(GET_CURSOR, "SELECT seq FROM $K.cursors WHERE user_id = ? AND device_id = ? "                \
                  "AND generation = ? AND chat_id = ?")                                            \
    X(GET_BLOCK, "SELECT value FROM $K.blocks WHERE user_id = ? AND whom = ?")                     \
    X(GET_BLOCKED, "SELECT whom, value FROM $K.blocks WHERE user_id = ?")                          \
    X(GET_BLOCKERS, "SELECT user_id, value FROM $K.blocked_by WHERE whom = ?")

#define CHAT__CSTORE_STATEMENTS(X)                                                                 \
    CHAT__CSTORE_WRITES(X)                                                                         \
    CHAT__CSTORE_LOOKS(X)                                                                          \
    CHAT__CSTORE_READS(X)

#define CHAT__CSTORE_ROW(name, text) CHAT__CSTORE_##name,
typedef enum chat__cstore_statement {
    CHAT__CSTORE_STATEMENTS(CHAT__CSTORE_ROW) CHAT__CSTORE_N_STATEMENTS
} chat__cstore_statement;
#undef CHAT__CSTORE_ROW

#endif
