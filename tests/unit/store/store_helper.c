/* SPDX-License-Identifier: MIT */
/* See store_helper.h. */
#include "store_helper.h"
#include "store/record.h"
#include "store/segment.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_line(void *ctx, chat_log_level level, const char *line)
{
    fixture *f = ctx;
    size_t len = strlen(f->log);
    (void)level;
    snprintf(f->log + len, sizeof f->log - len, "%s\n", line);
}

chat_status try_open(fixture *f)
{
    f->options.dir = f->dir;
    return chat__store_open(&f->options, &f->report, &f->store);
}

/* Opening and closing syncs a lot: in memory when the system has such a directory. */
static const char *temp_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    if (tmp != NULL && tmp[0] != 0)
        return tmp;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static fixture *make(void)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%.40s/chat-store-XXXXXX", temp_dir());
    if (mkdtemp(f->dir) == NULL)
        abort();
    chat__store_options_init(&f->options);
    f->options.segment_bytes = 1u << 20;
    f->options.log.ctx = f;
    f->options.log.write = take_line;
    f->random = 1;
    return f;
}

int set_up(void **state)
{
    fixture *f = make();
    *state = f;
    return try_open(f) == CHAT_OK ? 0 : -1;
}

int set_up_closed(void **state)
{
    fixture *f = make();
    f->disk = faulty_new();
    f->options.files = &f->disk->table;
    f->options.segment_bytes = 64u << 10;
    *state = f;
    return 0;
}

int set_up_faulty(void **state)
{
    return set_up_closed(state) == 0 && try_open(*state) == CHAT_OK ? 0 : -1;
}

static void db_path(const fixture *f, size_t which, char path[128])
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    snprintf(path, 128, "%s/state.db%s", f->dir, ends[which]);
}

static void slurp(const char *path, faulty_bytes *out)
{
    FILE *file = fopen(path, "rb");
    out->size = 0;
    if (file == NULL)
        return;
    (void)fseek(file, 0, SEEK_END);
    out->size = (uint64_t)ftell(file);
    (void)fseek(file, 0, SEEK_SET);
    out->data = realloc(out->data, out->size + 1);
    assert_int_equal(fread(out->data, 1, out->size, file), out->size);
    (void)fclose(file);
}

void hold_db(fixture *f)
{
    char path[128];
    for (size_t i = 0; i < 2; i++) {
        db_path(f, i, path);
        slurp(path, &f->db[i]);
    }
}

void put_back_db(fixture *f)
{
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        db_path(f, i, path);
        (void)unlink(path);
        if (i == 2 || (i == 1 && f->db[i].size == 0))
            continue;
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(f->db[i].data, 1, f->db[i].size, file), f->db[i].size);
        (void)fclose(file);
    }
}

void kill_it(fixture *f)
{
    hold_db(f);
    faulty *image = faulty_copy(f->disk);
    chat__store_close(f->store);
    f->store = NULL;
    faulty_restore(f->disk, image);
    faulty_free(image);
    put_back_db(f);
    f->n_rows = f->n_committed;
}

void crash(fixture *f)
{
    kill_it(f);
    faulty_crash(f->disk, &f->random);
}

uint64_t size_of(const model_row *row)
{
    return chat__record_size(strlen(row->chat), strlen(row->body));
}

uint64_t place_of(const fixture *f, size_t row)
{
    uint64_t at = CHAT__SEGMENT_DATA_AT;
    for (size_t i = 0; i < row; i++)
        at += size_of(&f->rows[i]);
    return at;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int tear_down(void **state)
{
    fixture *f = *state;
    chat__store_close(f->store);
    remove_tree(f->dir);
    faulty_free(f->disk);
    free(f->db[0].data);
    free(f->db[1].data);
    free(f);
    return 0;
}

void reopen(fixture *f)
{
    chat__store_close(f->store);
    f->store = NULL;
    assert_int_equal(try_open(f), CHAT_OK);
}

static void model_put(fixture *f, const chat__store_record *record, const char *chat,
                      const char *body)
{
    model_row *row = &f->rows[f->n_rows++];
    assert_true(f->n_rows < MODEL_MAX);
    snprintf(row->chat, sizeof row->chat, "%s", chat);
    snprintf(row->body, sizeof row->body, "%s", body);
    row->id = record->id;
    row->seq = record->seq;
    row->prev = record->prev;
}

chat_status try_put(fixture *f, const char *chat, uint64_t id, const char *body)
{
    chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = id};
    record.chat = chat__view_str(chat);
    record.payload = chat__view_str(body);
    chat_status status = chat__store_append(f->store, &record);
    if (status == CHAT_OK)
        model_put(f, &record, chat, body);
    return status;
}

uint64_t put(fixture *f, const char *chat, uint64_t id, const char *body)
{
    assert_int_equal(try_put(f, chat, id, body), CHAT_OK);
    return f->rows[f->n_rows - 1].seq;
}

chat_status try_put_group(fixture *f, const char *chat, uint64_t id, const char *title,
                          const char *from, const char *user)
{
    uint8_t bytes[512];
    size_t len;
    chat_frame frame;
    chat_view users[1] = {chat__view_str(user)};
    chat_view_list list = {users, 1};
    chat__store_record record = {.kind = CHAT_FRAME_CHAT, .id = id};
    chat_frame_init(&frame, CHAT_FRAME_CHAT);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str(chat));
    CHAT_FRAME_SET(&frame, TITLE, title, chat__view_str(title));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str(from));
    CHAT_FRAME_SET(&frame, USERS, users, list);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    record.chat = chat__view_str(chat);
    record.payload = chat__view(bytes, len);
    chat_status status = chat__store_append(f->store, &record);
    if (status == CHAT_OK)
        model_put(f, &record, chat, "(group)");
    return status;
}

uint64_t put_group(fixture *f, const char *chat, uint64_t id, const char *title, const char *from,
                   const char *user)
{
    assert_int_equal(try_put_group(f, chat, id, title, from, user), CHAT_OK);
    return f->rows[f->n_rows - 1].seq;
}

chat_status try_commit(fixture *f)
{
    chat_status status = chat__store_commit(f->store);
    if (status == CHAT_OK)
        f->n_committed = f->n_rows;
    else
        f->n_rows = f->n_committed;
    return status;
}

void commit(fixture *f)
{
    assert_int_equal(try_commit(f), CHAT_OK);
}

void put_cursor(fixture *f, const char *user, const char *device, const char *chat, uint64_t seq)
{
    assert_int_equal(chat__store_put_cursor(f->store, chat__view_str(user), chat__view_str(device),
                                            chat__view_str(chat), seq, 0),
                     CHAT_OK);
}

static void take_row(void *ctx, const chat__store_row *row)
{
    page *got = ctx;
    assert_true(got->n_rows < PAGE_MAX);
    model_row *out = &got->rows[got->n_rows++];
    out->id = row->id;
    out->seq = row->seq;
    out->prev = row->prev;
    snprintf(out->body, sizeof out->body, "%.*s", (int)row->payload.len,
             (const char *)row->payload.data);
    if (row->kind == CHAT_FRAME_CHAT)
        snprintf(out->body, sizeof out->body, "(group)");
}

static void read_page(fixture *f, const chat__store_query *query, page *out)
{
    out->n_rows = 0;
    out->status = chat__store_read(f->store, query, take_row, out);
}

void read_after(fixture *f, const char *chat, uint64_t after, uint32_t limit, page *out)
{
    chat__store_query query = {.chat = chat__view_str(chat), .after = after, .limit = limit};
    read_page(f, &query, out);
}

void read_before(fixture *f, const char *chat, uint64_t before, uint32_t limit, page *out)
{
    chat__store_query query = {.chat = chat__view_str(chat), .after = UINT64_MAX};
    query.before = before;
    query.limit = limit;
    read_page(f, &query, out);
}

static const model_row *model_next(const fixture *f, const char *chat, size_t *i)
{
    while (*i < f->n_committed) {
        const model_row *row = &f->rows[(*i)++];
        if (strcmp(row->chat, chat) == 0 && !row->is_lost)
            return row;
    }
    return NULL;
}

static const model_row *model_previous(const fixture *f, const char *chat, size_t *i)
{
    while (*i > 0) {
        const model_row *row = &f->rows[--*i];
        if (strcmp(row->chat, chat) == 0 && !row->is_lost)
            return row;
    }
    return NULL;
}

static void assert_same(const model_row *got, const model_row *want)
{
    assert_non_null(want);
    assert_true(got->seq == want->seq);
    assert_true(got->prev == want->prev);
    assert_true(got->id == want->id);
    assert_string_equal(got->body, want->body);
}

void check_pages(fixture *f, const char *chat, uint32_t limit)
{
    page *got = malloc(sizeof *got);
    uint64_t after = 0;
    uint64_t before = UINT64_MAX;
    size_t i = 0;
    do {
        read_after(f, chat, after, limit, got);
        assert_true(got->status == CHAT_OK || got->status == CHAT_MORE);
        for (size_t row = 0; row < got->n_rows; row++)
            assert_same(&got->rows[row], model_next(f, chat, &i));
        after = got->n_rows > 0 ? got->rows[got->n_rows - 1].seq : after;
    } while (got->status == CHAT_MORE);
    assert_null(model_next(f, chat, &i));
    i = f->n_committed;
    do {
        read_before(f, chat, before, limit, got);
        assert_true(got->status == CHAT_OK || got->status == CHAT_MORE);
        for (size_t row = 0; row < got->n_rows; row++)
            assert_same(&got->rows[row], model_previous(f, chat, &i));
        before = got->n_rows > 0 ? got->rows[got->n_rows - 1].seq : before;
    } while (got->status == CHAT_MORE);
    assert_null(model_previous(f, chat, &i));
    free(got);
}

#define NAMES_MAX 64

typedef struct names {
    char items[NAMES_MAX][256];
    char title[256];
    size_t n_items;
} names;

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void take_group(void *ctx, const chat__store_chat *chat)
{
    names *list = ctx;
    snprintf(list->title, sizeof list->title, "%.*s", (int)chat->title.len,
             (const char *)chat->title.data);
    for (size_t i = 0; i < chat->n_members && i < NAMES_MAX; i++)
        snprintf(list->items[list->n_items++], 256, "%.*s", (int)chat->members[i].user.len,
                 (const char *)chat->members[i].user.data);
}

static const char *join(fixture *f, names *list, const char *between)
{
    qsort(list->items, list->n_items, sizeof list->items[0], compare);
    for (size_t i = 0; i < list->n_items; i++) {
        size_t len = strlen(f->text);
        snprintf(f->text + len, sizeof f->text - len, "%s%s", i > 0 ? between : "", list->items[i]);
    }
    return f->text;
}

const char *group_text(fixture *f, const char *chat)
{
    names list = {.n_items = 0};
    chat_status status = chat__store_load_chat(f->store, chat__view_str(chat), take_group, &list);
    if (status != CHAT_OK)
        return chat_status_name(status);
    snprintf(f->text, sizeof f->text, "%s: ", list.title);
    return join(f, &list, " ");
}

static void take_user_chat(void *ctx, const chat__store_user_chat *row)
{
    names *list = ctx;
    char title[260] = "";
    if (row->title.len > 0)
        snprintf(title, sizeof title, "[%.*s]", (int)row->title.len, (const char *)row->title.data);
    snprintf(list->items[list->n_items++], 256, "%.*s%.64s %llu/%llu", (int)row->chat.len,
             (const char *)row->chat.data, title, (unsigned long long)row->cursor,
             (unsigned long long)row->last_seq);
}

const char *user_text(fixture *f, const char *user, const char *device, uint64_t now)
{
    names list = {.n_items = 0};
    chat__store_visit visit = {
        .user = chat__view_str(user), .device = chat__view_str(device), .now_unix_ms = now};
    chat_status status = chat__store_load_user(f->store, &visit, take_user_chat, &list);
    if (status != CHAT_OK && status != CHAT_EMPTY)
        return chat_status_name(status);
    f->text[0] = 0;
    return join(f, &list, ", ");
}
