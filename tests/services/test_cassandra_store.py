# SPDX-License-Identifier: MIT
"""The store of libchat-cassandra against a real Cassandra."""

import re

from test_cassandra import finish, start


def test_rules_of_the_writing_side(up, build):
    nodes = up("cassandra")["where"]["nodes"]
    assert re.search(r"\[  PASSED  \] \d+ test\(s\)\.", finish(
        start(build, nodes, "services_cassandra_store")))
