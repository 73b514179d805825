# SPDX-License-Identifier: MIT
"""The store of libchat-cassandra against a real Cassandra."""

import re

import pytest
from test_cassandra import finish, start


@pytest.mark.parametrize("program", ["store", "apply"])
def test_rules_of_the_writing_side(up, build, program):
    nodes = up("cassandra")["where"]["nodes"]
    assert re.search(r"\[  PASSED  \] \d+ test\(s\)\.", finish(
        start(build, nodes, f"services_cassandra_{program}")))
