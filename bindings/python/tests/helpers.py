# SPDX-License-Identifier: MIT
"""What the tests share."""
from libchat import User

BOB = User("bob")


async def event_of(client, kind, is_wanted=lambda event: True):
    """The next event of a kind; others are passed over."""
    async for event in client:
        if isinstance(event, kind) and is_wanted(event):
            return event
    raise AssertionError(f"the client was closed before a {kind.__name__} came")


async def rows_of(rows):
    return [row async for row in rows]


# Each coroutine of a client that asks the server, once, in an order in which alice gets an answer:
# with the direct chat of alice and bob and a message in it.
ASKS = {
    "send": lambda c, m: c.send(BOB, "x"),
    "history": lambda c, m: rows_of(c.history(BOB)),
    "history_page": lambda c, m: c.history_page(BOB),
    "edit": lambda c, m: c.edit(BOB, m.id, "y"),
    "react": lambda c, m: c.react(BOB, m.id, "+1"),
    "reactions": lambda c, m: c.reactions(BOB, m.id),
    "read": lambda c, m: c.read(BOB, m.seq),
    "receipts": lambda c, m: c.receipts(BOB, m.id),
    "why": lambda c, m: c.why(BOB, m.id),
    "mute": lambda c, m: c.mute(BOB),
    "delete": lambda c, m: c.delete(BOB, m.id),
    "devices": lambda c, m: c.devices(),
    "chats": lambda c, m: c.chats(),
    "chats_page": lambda c, m: c.chats_page(),
    "create": lambda c, m: c.create("team", ["bob", "carol"], is_open=True),
    "update": lambda c, m: c.update("team", "The team"),
    "join": lambda c, m: c.join("team"),
    "add": lambda c, m: c.add("team", ["dave"]),
    "remove": lambda c, m: c.remove("team", ["dave"]),
    "set_role": lambda c, m: c.set_role("team", "bob", "owner"),
    "members": lambda c, m: c.members("team"),
    "leave": lambda c, m: c.leave("team"),
    "presence": lambda c, m: c.presence(["bob"]),
    "watch": lambda c, m: c.watch(["bob"]),
    "hide": lambda c, m: c.hide(),
    "block": lambda c, m: c.block("bob"),
    "blocks": lambda c, m: c.blocks(),
    "unblock": lambda c, m: c.unblock("bob"),
    "ping": lambda c, m: c.ping(),
    "device_remove": lambda c, m: c.device_remove("old"),
}
