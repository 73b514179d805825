/* SPDX-License-Identifier: MIT */
/*
 * The owner's rules for changes of a group: who may do what, and who is a member afterwards. Each
 * change is a record of the chat, so that its place among the messages says who gets which. What is
 * so already is answered as done and leaves no record: a request that comes twice does no harm.
 */
#include "node/internal.h"

/* A change while it is worked out; members are in the arena. */
typedef struct change {
    chat__node *node;
    const chat_frame *submit;
    chat__room *room;
    chat__role role;   /* of who asks */
    chat_frame record; /* the payload */
    chat__node_member *members;
    size_t n_members;
    chat_view *users; /* whom the change is about */
    size_t n_users;
} change;

int chat__group_is_change(uint64_t kind)
{
    return kind >= CHAT_FRAME_CHAT_UPDATE && kind <= CHAT_FRAME_CHAT_ROLE;
}

static void refuse(const change *c, chat_status status, const char *text)
{
    chat__owner_refuse(c->node, c->submit, status, text);
}

static void done(const change *c)
{
    chat__owner_done(c->node, c->submit);
}

/* Appends the record; with `is_moving` the members change with it. */
static void append(change *c, const char *what, int is_moving)
{
    chat__roster *roster = NULL;
    chat_view_list users = {c->users, c->n_users};
    CHAT_FRAME_SET(&c->record, WHAT, what, chat__view_str(what));
    if (c->n_users > 0)
        CHAT_FRAME_SET(&c->record, USERS, users, users);
    if (is_moving) {
        roster = chat__roster_new(c->node, c->members, c->n_members);
        if (roster == NULL) {
            refuse(c, CHAT_ERR_NOMEM, "out of memory");
            return;
        }
    }
    chat__owner_append_record(c->node, c->submit, c->room, &c->record, roster);
}

static chat__node_member *find(const change *c, chat_view user)
{
    for (size_t i = 0; i < c->n_members; i++) {
        if (chat__view_equal(c->members[i].user, user))
            return &c->members[i];
    }
    return NULL;
}

static void put(change *c, chat_view user, chat__role role)
{
    chat__node_member member = {.user = user, .role = role};
    c->members[c->n_members++] = member;
    c->users[c->n_users++] = user;
}

static void take_out(change *c, chat__node_member *member)
{
    c->users[c->n_users++] = member->user;
    *member = c->members[--c->n_members];
}

static int is_manager(const change *c)
{
    if (c->role >= CHAT__ROLE_ADMIN)
        return 1;
    refuse(c, CHAT_ERR_FORBIDDEN, "only owners and admins of this group may do this");
    return 0;
}

/* --- one for each kind --- */

static void take_update(change *c)
{
    if (!is_manager(c))
        return;
    CHAT_FRAME_SET(&c->record, TITLE, title, c->submit->title);
    append(c, "title", 0);
}

static void take_join(change *c)
{
    chat__role role = c->n_members == 0 ? CHAT__ROLE_OWNER : CHAT__ROLE_MEMBER;
    if (c->role != CHAT__ROLE_NONE) {
        done(c);
    } else if (!c->room->is_open) {
        refuse(c, CHAT_ERR_FORBIDDEN, "this group is not open: an owner or admin must add you");
    } else if (c->n_members >= c->node->options.max_group_members) {
        refuse(c, CHAT_ERR_LIMIT, "this group is full");
    } else {
        put(c, c->submit->from, role);
        CHAT_FRAME_SET(&c->record, ROLE, role, chat__view_str(chat__role_text(role)));
        append(c, "join", 1);
    }
}

/* Who has been here longest, of those with the highest role. */
static chat__node_member *heir_of(const change *c)
{
    chat__node_member *heir = NULL;
    for (size_t i = 0; i < c->n_members; i++) {
        chat__node_member *each = &c->members[i];
        int is_better =
            heir == NULL || each->role > heir->role ||
            (each->role == heir->role &&
             (each->since < heir->since ||
              (each->since == heir->since && chat__view_compare(each->user, heir->user) < 0)));
        if (is_better)
            heir = each;
    }
    return heir;
}

static void take_leave(change *c)
{
    chat__node_member *me = find(c, c->submit->from);
    if (me == NULL) {
        if (CHAT_FRAME_HAS(c->submit, RESEND) && c->submit->resend)
            done(c);
        else
            refuse(c, CHAT_ERR_FORBIDDEN, "you are no member of this chat");
        return;
    }
    take_out(c, me);
    chat__node_member *heir = c->role == CHAT__ROLE_OWNER ? heir_of(c) : NULL;
    if (heir != NULL && heir->role != CHAT__ROLE_OWNER) {
        heir->role = CHAT__ROLE_OWNER;
        CHAT_FRAME_SET(&c->record, USER, user, heir->user);
        CHAT_FRAME_SET(&c->record, ROLE, role, chat__view_str("owner"));
    }
    append(c, "leave", 1);
}

static void take_add(change *c)
{
    const chat_view_list *users = &c->submit->users;
    if (!is_manager(c))
        return;
    for (size_t i = 0; i < users->n_items; i++) {
        if (find(c, users->items[i]) != NULL)
            continue;
        if (c->n_members >= c->node->options.max_group_members) {
            refuse(c, CHAT_ERR_LIMIT, "too many members");
            return;
        }
        put(c, users->items[i], CHAT__ROLE_MEMBER);
    }
    if (c->n_users == 0)
        done(c);
    else
        append(c, "add", 1);
}

static void take_remove(change *c)
{
    const chat_view_list *users = &c->submit->users;
    if (!is_manager(c))
        return;
    for (size_t i = 0; i < users->n_items; i++) {
        chat__node_member *member = find(c, users->items[i]);
        if (chat__view_equal(users->items[i], c->submit->from)) {
            refuse(c, CHAT_ERR_ARG, "to leave a group there is chat.leave");
            return;
        }
        if (member == NULL)
            continue;
        if (c->role != CHAT__ROLE_OWNER && member->role >= CHAT__ROLE_ADMIN) {
            refuse(c, CHAT_ERR_FORBIDDEN, "only an owner may remove owners and admins");
            return;
        }
        take_out(c, member);
    }
    if (c->n_users == 0)
        done(c);
    else
        append(c, "remove", 1);
}

static int is_last_owner(const change *c, const chat__node_member *member)
{
    size_t n_owners = 0;
    for (size_t i = 0; i < c->n_members; i++)
        n_owners += c->members[i].role == CHAT__ROLE_OWNER;
    return member->role == CHAT__ROLE_OWNER && n_owners == 1;
}

static chat_status fault_of_role(const change *c, chat__role role, const chat__node_member *member,
                                 const char **why)
{
    *why = "only an owner of this group may do this";
    if (c->role != CHAT__ROLE_OWNER)
        return CHAT_ERR_FORBIDDEN;
    *why = "`role` must be owner, admin or member";
    if (role == CHAT__ROLE_NONE)
        return CHAT_ERR_ARG;
    *why = "`user` is no member of this chat";
    if (member == NULL)
        return CHAT_ERR_NOT_FOUND;
    *why = "a group needs an owner: name another one first";
    return member->role != role && is_last_owner(c, member) ? CHAT_ERR_FORBIDDEN : CHAT_OK;
}

static void take_role(change *c)
{
    const char *why;
    chat__role role = chat__role_named(c->submit->role);
    chat__node_member *member = find(c, c->submit->user);
    chat_status status = fault_of_role(c, role, member, &why);
    if (status != CHAT_OK) {
        refuse(c, status, why);
        return;
    }
    if (member->role == role) {
        done(c);
        return;
    }
    member->role = role;
    c->users[c->n_users++] = member->user;
    CHAT_FRAME_SET(&c->record, ROLE, role, chat__view_str(chat__role_text(role)));
    append(c, "role", 1);
}

/* --- all of them --- */

static chat_status begin(change *c, chat__node *node, const chat_frame *submit, chat__room *room)
{
    const chat__roster *roster = room->roster;
    size_t n_new = CHAT_FRAME_HAS(submit, USERS) ? submit->users.n_items : 0;
    size_t n_max = (size_t)roster->n_members + n_new + 1;
    c->node = node;
    c->submit = submit;
    c->room = room;
    c->role = chat__room_role(room, submit->from);
    c->members = chat__arena_get(&node->arena, n_max * sizeof *c->members);
    c->users = chat__arena_get(&node->arena, n_max * sizeof *c->users);
    chat_frame_init(&c->record, CHAT_FRAME_CHANGE);
    if (c->members == NULL || c->users == NULL)
        return CHAT_ERR_NOMEM;
    memcpy(c->members, roster->members, roster->n_members * sizeof *c->members);
    c->n_members = roster->n_members;
    return CHAT_OK;
}

int chat__group_take(chat__node *node, const chat_frame *submit, chat__room *room)
{
    static void (*const TAKE[])(change *) = {take_update, take_join,   take_leave,
                                             take_add,    take_remove, take_role};
    change c = {0};
    if (room == NULL || room->state == CHAT__ROOM_NEW)
        return 1;
    if (room->state == CHAT__ROOM_MISSING)
        chat__owner_refuse(node, submit, CHAT_ERR_NOT_FOUND, "there is no such group");
    else if (begin(&c, node, submit, room) != CHAT_OK)
        chat__owner_refuse(node, submit, CHAT_ERR_NOMEM, "out of memory");
    else
        TAKE[submit->kind - CHAT_FRAME_CHAT_UPDATE](&c);
    return 0;
}
