# SPDX-License-Identifier: MIT
"""Live chat: a client for asyncio (`Client`), without it (`libchat.sync`), a server for tests
(`libchat.testing`), and the library's logic by itself: ids, partitions, presence, queues."""
from . import events
from .client import Client
from .errors import (AnswerTimeout, CallerError, ChatError, FatalError, LimitError, PeerError,
                     RetryError, Status)
from .events import *  # noqa: F401,F403
from .ids import (EPOCH_MS, MAX_NODE, IdGenerator, Snowflake, direct_id, direct_members,
                  is_valid_id, make_token, murmur2, partition_of)
from .presence import PresenceChange, PresenceState, PresenceTable
from .queue import OfflineQueue, QueueEntry, QueueGap

__version__ = "0.1.0"
__all__ = ["AnswerTimeout", "CallerError", "ChatError", "Client", "EPOCH_MS", "FatalError",
           "IdGenerator", "LimitError", "MAX_NODE", "OfflineQueue", "PeerError", "PresenceChange",
           "PresenceState", "PresenceTable", "QueueEntry", "QueueGap", "RetryError", "Snowflake",
           "Status", "direct_id", "direct_members", "is_valid_id", "make_token", "murmur2",
           "partition_of"]
__all__ += events.__all__
