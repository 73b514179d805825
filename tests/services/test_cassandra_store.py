# SPDX-License-Identifier: MIT
"""The store of libchat-cassandra against a real Cassandra."""

import os
import re
import uuid

import pytest
from test_cassandra import finish, start


@pytest.mark.parametrize("program", ["store", "apply", "kill"])
def test_rules_of_the_writing_side(up, build, program):
    nodes = up("cassandra")["where"]["nodes"]
    assert re.search(r"\[  PASSED  \] \d+ test\(s\)\.", finish(
        start(build, nodes, f"services_cassandra_{program}")))


@pytest.mark.parametrize("part", ["reads", "cut"])
def test_rules_of_the_reading_side(up, build, part):
    nodes = up("cassandra")["where"]["nodes"]
    keyspace = f"chat_{part}_{uuid.uuid4().hex[:12]}"
    assert re.search(r"\[  PASSED  \] \d+ test\(s\)\.", finish(
        start(build, nodes, f"services_cassandra_{part}", CHAT_KEYSPACE=keyspace)))


CONTRACT = re.findall(r"^    X\((store_\w+)\)", open(os.path.join(
    os.path.dirname(__file__), "..", "contract", "store.h"), encoding="utf-8").read(), re.M)


def test_contract_of_stores(up, build):
    nodes = up("cassandra")["where"]["nodes"]
    text = finish(start(build, nodes, "services_cassandra_contract",
                        CHAT_KEYSPACE=f"chat_contract_{uuid.uuid4().hex[:12]}"))
    assert f"[  PASSED  ] {len(CONTRACT)} test(s)." in text
