/* SPDX-License-Identifier: MIT */
/* Opens state.db, writes the dirty views into it, moves it aside when it is damaged. */
#include "store/notes.h"
#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Checked at every open; a larger one only after a crash. */
#define SMALL_DB_BYTES (16 << 20)

chat_status chat__store_note(chat__store *store, chat_status status)
{
    if (status != CHAT_ERR_CORRUPT)
        return status;
    pthread_mutex_lock(&store->state.lock);
    int is_new = !store->is_damaged;
    store->is_damaged = 1;
    pthread_mutex_unlock(&store->state.lock);
    if (is_new)
        chat__store_say(store, CHAT_LOG_ERROR,
                        "store: state.db is damaged; restart to rebuild it from the log");
    return CHAT_ERR_IO;
}

static chat_status check_if_needed(chat__store *store)
{
    struct stat st;
    uint64_t is_clean;
    chat_status status = chat__db_get_meta(&store->flush_db, "clean", &is_clean);
    if (status < 0)
        return status;
    int is_small = stat(store->db_path, &st) == 0 && st.st_size <= SMALL_DB_BYTES;
    return is_clean == 1 && !is_small ? CHAT_OK : chat__sql_check(store->flush_db.handle);
}

static chat_status load_partitions(chat__store *store)
{
    chat__state *state = &store->state;
    sqlite3_stmt *statement = chat__db_use(&store->flush_db, CHAT__DB_GET_PARTITIONS);
    chat_status status;
    while ((status = chat__sql_step(statement)) == CHAT_OK) {
        uint64_t partition = chat__sql_number(statement, 0);
        if (partition >= state->n_partitions)
            continue;
        state->partitions[partition].seq = chat__sql_number(statement, 1);
        if (state->partitions[partition].seq > INT64_MAX) {
            (void)sqlite3_reset(statement);
            return CHAT_ERR_CORRUPT;
        }
        state->partitions[partition].next_offset = chat__sql_number(statement, 2);
        state->staged_partitions[partition] = state->partitions[partition];
    }
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

static chat_status load_meta(chat__store *store, uint64_t *out_from)
{
    chat__db *db = &store->flush_db;
    uint64_t is_damaged;
    chat_status status = chat__db_get_meta(db, "damaged", &is_damaged);
    if (status >= 0 && is_damaged)
        return CHAT_ERR_CORRUPT;
    if (status >= 0)
        status = chat__db_get_meta(db, "log_position", out_from);
    if (status >= 0)
        status = chat__db_get_meta(db, "heads_position", &store->heads_end);
    if (status >= 0)
        status = chat__db_get_meta(db, "last_record", &store->state.last_at);
    if (status >= 0)
        status = chat__db_get_meta(db, "max_id", &store->state.max_id);
    return status >= 0 ? load_partitions(store) : status;
}

chat_status chat__store_open_views(chat__store *store, uint64_t *out_from)
{
    chat_status status = chat__db_open(&store->flush_db, store->db_path);
    if (status == CHAT_OK)
        status = check_if_needed(store);
    if (status == CHAT_OK)
        status = load_meta(store, out_from);
    if (status == CHAT_OK)
        status = chat__db_open(&store->writer_db, store->db_path);
    if (status == CHAT_OK)
        status = chat__db_open(&store->read_db, store->db_path);
    if (status == CHAT_OK) {
        store->state.end = *out_from;
        store->flushed_end = *out_from;
    }
    return status;
}

void chat__store_close_views(chat__store *store)
{
    chat__db_close(&store->read_db);
    chat__db_close(&store->writer_db);
    chat__db_close(&store->flush_db);
}

static chat_status move(const char *from, const char *to)
{
    return rename(from, to) == 0 || errno == ENOENT ? CHAT_OK : CHAT_ERR_IO;
}

chat_status chat__store_move_views_aside(chat__store *store)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char to[CHAT__STORE_PATH_MAX + 64];
    char from[CHAT__STORE_PATH_MAX + 8];
    chat_status status = CHAT_OK;
    unsigned n = 1;
    for (;; n++) {
        snprintf(to, sizeof to, "%s.damaged-%u", store->db_path, n);
        if (access(to, F_OK) != 0)
            break;
    }
    for (size_t i = sizeof ends / sizeof ends[0]; status == CHAT_OK && i-- > 0;) {
        snprintf(from, sizeof from, "%s%s", store->db_path, ends[i]);
        snprintf(to, sizeof to, "%s.damaged-%u%s", store->db_path, n, ends[i]);
        status = move(from, to);
    }
    return status;
}

chat_status chat__store_mark_clean(chat__store *store, int is_clean)
{
    return chat__db_put_meta(&store->flush_db, "clean", (uint64_t)(is_clean != 0));
}

static chat_status write_chat(chat__store *store, chat__state_chat *chat)
{
    chat__state *state = &store->state;
    chat__db_chat copy;
    pthread_mutex_lock(&state->lock);
    copy.head = chat->head;
    memcpy(copy.roots, chat->roots, chat->head.n_roots * sizeof *chat->roots);
    chat__state_meta *meta = chat->meta;
    if (meta != NULL)
        meta->n_refs++;
    pthread_mutex_unlock(&state->lock);
    chat_view name = {chat->name, chat->len};
    chat_status status = chat__db_put_chat(&store->flush_db, name, &copy, meta);
    pthread_mutex_lock(&state->lock);
    chat__state_meta_free(state, meta);
    pthread_mutex_unlock(&state->lock);
    return status;
}

/* Before all else, as the list has it: the device may be here again. */
static chat_status write_gone(chat__store *store, const chat__state_row *row)
{
    static const chat__db_statement WHAT[] = {CHAT__DB_KEEP_CURSORS, CHAT__DB_DROP_CURSORS,
                                              CHAT__DB_DROP_DEVICE};
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < sizeof WHAT / sizeof *WHAT && status == CHAT_OK; i++) {
        sqlite3_stmt *statement = chat__db_use(&store->flush_db, WHAT[i]);
        chat__sql_bind(statement, 1, chat__state_row_user(row));
        chat__sql_bind(statement, 2, chat__state_row_device(row));
        status = chat__sql_run(statement);
    }
    return status;
}

/* What the row has in place of a device. */
static void bind_device(sqlite3_stmt *statement, const chat__state_row *row)
{
    if (row->type == CHAT__ROW_MEMBER || row->type == CHAT__ROW_MUTE ||
        row->type == CHAT__ROW_BLOCK)
        chat__sql_bind_number(statement, 2, chat__state_row_seq(row));
    else if (row->type == CHAT__ROW_NOTE)
        chat__sql_bind_number(statement, 2, chat__state_note_re(row));
    else
        chat__sql_bind(statement, 2, chat__state_row_device(row));
}

static chat_status write_row(chat__store *store, chat__state_row *row)
{
    chat__db_statement which = row->type == CHAT__ROW_MEMBER   ? CHAT__DB_PUT_MEMBER
                               : row->type == CHAT__ROW_MUTE   ? CHAT__DB_PUT_MUTE
                               : row->type == CHAT__ROW_BLOCK  ? CHAT__DB_PUT_BLOCK
                               : row->type == CHAT__ROW_NOTE   ? CHAT__DB_PUT_NOTE
                               : row->type == CHAT__ROW_DEVICE ? CHAT__DB_PUT_DEVICE
                               : row->type == CHAT__ROW_READ   ? CHAT__DB_PUT_READ
                                                               : CHAT__DB_PUT_CURSOR;
    pthread_mutex_lock(&store->state.lock);
    uint64_t value = row->value;
    pthread_mutex_unlock(&store->state.lock);
    int is_of_device = row->type == CHAT__ROW_DEVICE || row->type == CHAT__ROW_CURSOR;
    if (is_of_device && value == 0)
        return CHAT_OK;
    sqlite3_stmt *statement = chat__db_use(&store->flush_db, which);
    chat__sql_bind(statement, 1, chat__state_row_user(row));
    bind_device(statement, row);
    if (row->type != CHAT__ROW_DEVICE)
        chat__sql_bind(statement, 3, chat__state_row_chat(row));
    chat__sql_bind_number(statement, 4, value);
    if (row->type == CHAT__ROW_NOTE)
        chat__sql_bind_number(statement, 5, (uint64_t)chat__state_note_what(row));
    return chat__sql_run(statement);
}

static int is_run(const chat__state_node *node)
{
    return !node->is_chat && ((const chat__state_row *)(const void *)node)->type == CHAT__ROW_RUN;
}

/* As the tables have them. */
static int compare_nodes(const void *a, const void *b)
{
    const chat__state_node *x = *(chat__state_node *const *)a;
    const chat__state_node *y = *(chat__state_node *const *)b;
    if (x->is_chat != y->is_chat)
        return x->is_chat ? -1 : 1;
    if (x->is_chat) {
        const chat__state_chat *one = (const chat__state_chat *)(const void *)x;
        const chat__state_chat *other = (const chat__state_chat *)(const void *)y;
        return chat__view_compare(chat__view(one->name, one->len),
                                  chat__view(other->name, other->len));
    }
    const chat__state_row *one = (const chat__state_row *)(const void *)x;
    const chat__state_row *other = (const chat__state_row *)(const void *)y;
    if (one->type != other->type)
        return one->type < other->type ? -1 : 1;
    int order = chat__view_compare(chat__state_row_user(one), chat__state_row_user(other));
    if (order == 0)
        order = chat__view_compare(chat__state_row_device(one), chat__state_row_device(other));
    return order != 0 ? order
                      : chat__view_compare(chat__state_row_chat(one), chat__state_row_chat(other));
}

static chat_status write_node(chat__store *store, chat__state_node *node)
{
    if (is_run(node))
        return CHAT_OK;
    return node->is_chat ? write_chat(store, (chat__state_chat *)(void *)node)
                         : write_row(store, (chat__state_row *)(void *)node);
}

/* In the order of the tables, so that each of their pages is read and written once; in any when
   there is no memory for that. */
static chat_status write_sorted(chat__store *store, chat__state_node *first)
{
    chat_status status = CHAT_OK;
    size_t n = 0;
    for (const chat__state_node *node = first; node != NULL; node = node->next)
        n++;
    chat__state_node **nodes = chat__alloc_zero(&store->allocator, (n + 1) * sizeof *nodes);
    if (nodes == NULL) {
        for (chat__state_node *node = first; node != NULL && status == CHAT_OK; node = node->next)
            status = write_node(store, node);
        return status;
    }
    n = 0;
    for (chat__state_node *node = first; node != NULL; node = node->next)
        nodes[n++] = node;
    qsort(nodes, n, sizeof *nodes, compare_nodes);
    for (size_t i = 0; i < n && status == CHAT_OK; i++)
        status = write_node(store, nodes[i]);
    chat__alloc_free(&store->allocator, nodes);
    return status;
}

/* Runs before what they begin at. */
static chat_status write_nodes(chat__store *store)
{
    chat_status status = CHAT_OK;
    chat__state_node *node = store->state.writing.first;
    for (; node != NULL && status == CHAT_OK && chat__state_is_gone(node); node = node->next)
        status = write_gone(store, (chat__state_row *)(void *)node);
    chat__state_node *rest = node;
    for (; node != NULL && status == CHAT_OK; node = node->next) {
        if (is_run(node))
            status = chat__store_write_run(store, (const chat__state_row *)(const void *)node);
    }
    return status == CHAT_OK ? write_sorted(store, rest) : status;
}

static chat_status write_partitions(chat__store *store)
{
    chat_status status = CHAT_OK;
    for (uint32_t i = 0; i < store->state.n_partitions && status == CHAT_OK; i++) {
        const chat__state_partition *partition = &store->flush_partitions[i];
        if (partition->next_offset == 0)
            continue;
        sqlite3_stmt *statement = chat__db_use(&store->flush_db, CHAT__DB_PUT_PARTITION);
        chat__sql_bind_number(statement, 1, i);
        chat__sql_bind_number(statement, 2, partition->seq);
        chat__sql_bind_number(statement, 3, partition->next_offset);
        status = chat__sql_run(statement);
    }
    return status;
}

/* What is true at the moment of a flush. */
typedef struct checkpoint {
    uint64_t end;
    uint64_t last_at;
    uint64_t max_id;
} checkpoint;

/* Heads may be newer than `now`: replaying what they have already changes nothing. */
static chat_status write_all(chat__store *store, const checkpoint *now)
{
    chat__db *db = &store->flush_db;
    chat_status status = chat__sql_run(chat__db_use(db, CHAT__DB_BEGIN));
    if (status == CHAT_OK)
        status = write_nodes(store);
    if (status == CHAT_OK)
        status = write_partitions(store);
    pthread_mutex_lock(&store->state.lock);
    uint64_t heads_end = store->state.end;
    pthread_mutex_unlock(&store->state.lock);
    if (status == CHAT_OK)
        status = chat__db_put_meta(db, "log_position", now->end);
    if (status == CHAT_OK)
        status = chat__db_put_meta(db, "heads_position", heads_end);
    if (status == CHAT_OK)
        status = chat__db_put_meta(db, "max_id", now->max_id);
    if (status == CHAT_OK)
        status = chat__db_put_meta(db, "last_record", now->last_at);
    if (status == CHAT_OK)
        status = chat__db_put_meta(db, "partitions", store->state.n_partitions);
    if (status == CHAT_OK)
        status = chat__sql_run(chat__db_use(db, CHAT__DB_COMMIT));
    if (status != CHAT_OK)
        (void)chat__sql_run(chat__db_use(db, CHAT__DB_ROLLBACK));
    return status;
}

chat_status chat__store_flush(chat__store *store)
{
    chat__state *state = &store->state;
    chat_status status = CHAT_OK;
    pthread_mutex_lock(&store->flush_lock);
    pthread_mutex_lock(&state->lock);
    int is_damaged = store->is_damaged;
    int is_needed = state->dirty.first != NULL || state->end != store->flushed_end;
    checkpoint now = {state->end, state->last_at, state->max_id};
    memcpy(store->flush_partitions, state->partitions,
           state->n_partitions * sizeof *state->partitions);
    chat__state_flush_begin(state);
    pthread_mutex_unlock(&state->lock);
    /* So that the next open knows, even when its own check finds nothing. */
    if (is_damaged)
        (void)chat__db_put_meta(&store->flush_db, "damaged", 1);
    if (is_needed) {
        status = chat__store_erase(store);
        if (status == CHAT_OK)
            status = write_all(store, &now);
        if (status == CHAT_OK) {
            pthread_mutex_lock(&state->lock);
            store->flushed_end = now.end;
            pthread_mutex_unlock(&state->lock);
        }
    }
    chat__state_flush_end(state, status == CHAT_OK);
    pthread_mutex_unlock(&store->flush_lock);
    return chat__store_note(store, status);
}

uint64_t chat__store_lag(chat__store *store)
{
    chat__state *state = &store->state;
    pthread_mutex_lock(&state->lock);
    uint64_t bytes = state->end - store->flushed_end;
    pthread_mutex_unlock(&state->lock);
    return bytes;
}

int chat__store_wants_flush(chat__store *store)
{
    chat__state *state = &store->state;
    pthread_mutex_lock(&state->lock);
    int is_due = state->end - store->flushed_end >= store->options.checkpoint_bytes ||
                 state->n_dirty_bytes > state->max_bytes / 2;
    pthread_mutex_unlock(&state->lock);
    return is_due;
}
