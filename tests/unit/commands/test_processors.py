"""Workers keep to a processor each where that shares the machine evenly, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such processors and addresses")

WORKER = """
import os, sys, threading
from fhir_server.commands.processors import keep_to_one
asleep = threading.Event()
old = threading.Thread(target=asleep.wait, daemon=True)
old.start()
kept = keep_to_one(int(sys.argv[1]), sys.argv[2])
theirs = {frozenset(os.sched_getaffinity(int(each))) for each in os.listdir("/proc/self/task")}
print(kept, *[",".join(map(str, sorted(each))) for each in theirs], flush=True)
sys.stdin.read()
"""
PROCESSORS = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]


@pytest.fixture
def workers():
    """Starts workers of one server, each of which tells what it keeps to and what its threads may use."""
    server, started = uuid.uuid4().hex, []

    def start(of):
        one = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(of), server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(one)
        return one, one.stdout.readline().split()

    yield start
    for one in started:
        one.communicate()


EVERY = ",".join(map(str, PROCESSORS))


@pytest.mark.parametrize("each", [1, 2])
def test_every_processor_has_as_many_workers_and_each_of_these_all_its_threads_on_it(workers, each):
    of = each * len(PROCESSORS)
    told = [workers(of)[1] for _ in range(of)]
    assert sorted(PROCESSORS * each) == sorted(int(kept) for kept, *_ in told)
    assert all([kept] == theirs for kept, *theirs in told)


def test_whoever_is_started_in_the_stead_of_a_worker_has_its_processor(workers):
    told = [workers(len(PROCESSORS)) for _ in PROCESSORS]
    gone, (kept, *_) = told[-1]
    gone.communicate()
    assert [kept, kept] == workers(len(PROCESSORS))[1]


def test_one_too_many_goes_wherever_it_likes(workers):
    for _ in PROCESSORS:
        workers(len(PROCESSORS))
    assert ["None", EVERY] == workers(len(PROCESSORS))[1]


def test_where_some_processors_would_have_more_workers_than_others_nobody_keeps_to_one(workers):
    of = len(PROCESSORS) + 1 if len(PROCESSORS) > 1 else 0
    if of:
        assert ["None", EVERY] == workers(of)[1]
