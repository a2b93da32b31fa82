"""A served sandbox of as many workers as processors: each keeps to its own, also the one that follows a dead one."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.kit.served import Served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such processors")


def workers(served):
    """Process id and processors of each worker: the children of the server that are named so."""
    server, found = served.process.pid, {}
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((each / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == server and "worker-" in (each / "cmdline").read_text():
                found[int(each.name)] = os.sched_getaffinity(int(each.name))
        except (OSError, ProcessLookupError):
            continue
    return found


def until(told, seconds=60):
    deadline = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def kept(served):
    return sorted(map(sorted, workers(served).values()))


def test_each_worker_keeps_to_a_processor_and_so_does_the_one_that_follows_it(tmp_path):
    processors = sorted(os.sched_getaffinity(0))
    each_its_own = [[each] for each in processors]
    with Served(tmp_path / "data", "--workers", str(len(processors))) as served:
        until(lambda: each_its_own == kept(served))
        dead = next(iter(workers(served)))
        os.kill(dead, signal.SIGKILL)
        until(lambda: dead not in workers(served) and each_its_own == kept(served))
        until(served.is_ready)  # who follows keeps to its processor before it is built


def test_they_go_where_they_like_if_the_operator_says_so(tmp_path):
    processors = sorted(os.sched_getaffinity(0))
    with Served(tmp_path / "data", "--workers", str(len(processors)), "--unpinned") as served:
        until(lambda: len(workers(served)) == len(processors))
        assert [processors] * len(processors) == kept(served)
