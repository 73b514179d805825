# SPDX-License-Identifier: MIT
"""The fixture `chat_server`: a fresh :class:`libchat.testing.Server` for each test."""
from __future__ import annotations

from typing import Iterator

import pytest

from .testing import Server


@pytest.fixture
def chat_server() -> Iterator[Server]:
    """A chat server of this test alone, with a virtual clock and faults."""
    with Server() as server:
        yield server
