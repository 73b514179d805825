# SPDX-License-Identifier: MIT
"""What the tests share."""


async def event_of(client, kind, is_wanted=lambda event: True):
    """The next event of a kind; others are passed over."""
    async for event in client:
        if isinstance(event, kind) and is_wanted(event):
            return event
    raise AssertionError(f"the client was closed before a {kind.__name__} came")
