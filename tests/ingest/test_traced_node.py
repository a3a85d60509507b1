"""Both tracers of a node that runs now, where there is one, as those of the recorded one."""

import pytest

from tests.ingest.test_traces import check_node
from tests.ingest.traced_node import traced_block


def test_both_tracers_of_a_running_node_tell_the_same() -> None:
    anvil = pytest.importorskip("tests.anvil", reason="there is nothing to run a node with")
    with anvil.running(*anvil.NO_MINING) as node:
        check_node(traced_block(node.call))
