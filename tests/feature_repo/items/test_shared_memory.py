"""What processes hold in common of all items: rows that all agree on, vectors that lie in memory once, and deaths."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from feature_repo.items.shared_memory import ItemSharedMemory
from feature_repo.items.table import ItemTable
from headwater.v1.catalogue_pb2 import Item
from tests.feature_repo.worlds import VOCABULARY

ITEMS = 3_000

# A process of its own: fills a table with all items in an order of its own, then says which row each has.
FILL = f"""
import random, sys
import numpy as np
from feature_repo.items.shared_memory import ItemSharedMemory
from feature_repo.items.table import ItemTable
from headwater.v1.catalogue_pb2 import Item
from tests.feature_repo.worlds import VOCABULARY

seed, ids_file, vectors_file = map(int, sys.argv[1:])
table = ItemTable(VOCABULARY, dimensions=2, capacity=4, shared=ItemSharedMemory(ids_file, vectors_file))
numbers = list(range({ITEMS}))
random.Random(seed).shuffle(numbers)
print("ready", flush=True)
sys.stdin.readline()
for number in numbers:
    table.set_content(Item(item_id=f"item {{number}} 书"), np.array([number, 1.0], dtype=np.float32))
print(*table.rows([f"item {{number}} 书" for number in range({ITEMS})]), flush=True)
"""


def start(shared: ItemSharedMemory, seed: int) -> "subprocess.Popen[str]":
    """A process that waits for a line before it fills its table."""
    argv = [sys.executable, "-c", FILL, str(seed), *map(str, shared.files)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=shared.files)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def rows_of(process: "subprocess.Popen[str]") -> list[int]:
    out, _ = process.communicate(timeout=100.0)
    assert process.returncode == 0
    return [int(row) for row in out.split()]


def test_processes_that_fill_in_different_orders_at_once_agree() -> None:
    """Every item has one row, each row one item, and its vector is there for a process that has read nothing yet."""
    shared = ItemSharedMemory.create()
    filling = [start(shared, seed) for seed in range(2)]
    for process in filling:
        go(process)
    one, other = map(rows_of, filling)
    assert one == other
    assert sorted(one) == list(range(ITEMS))
    late = ItemTable(VOCABULARY, dimensions=2, capacity=8, shared=ItemSharedMemory(*shared.files))
    assert late.rows(["item 7 书"]).tolist() == [-1]
    late.set_activity("item 7 书", 1.0, np.zeros((len(VOCABULARY.counters), 4)))
    assert late.rows(["item 7 书"]).tolist() == [one[7]]
    assert not late.live.any()  # it has not read that they are in the catalogue
    assert late.vectors[one].tolist() == [[number, 1.0] for number in range(ITEMS)]


def test_a_process_that_dies_in_the_middle_leaves_nothing_half_done() -> None:
    """Killed while it fills, it holds no lock, and the rows it gave out stay those of their items."""
    shared = ItemSharedMemory.create()
    dying = start(shared, 0)
    go(dying)
    end = os.fstat(shared.files[0]).st_size
    while os.fstat(shared.files[0]).st_size == end:
        time.sleep(0.0005)
    dying.send_signal(signal.SIGKILL)
    dying.communicate()
    given = ItemSharedMemory(*shared.files).claim("one more")
    assert given[-1] == "one more"
    after = start(shared, 1)
    go(after)
    rows = rows_of(after)
    for row, item_id in enumerate(given[:-1]):
        assert rows[int(item_id.split()[1])] == row


def test_what_one_process_writes_another_sees() -> None:
    """A changed text shows in both tables, a deleted one in both, and growth of one leaves the other as it was."""
    shared = ItemSharedMemory.create()
    one, other = (ItemTable(VOCABULARY, dimensions=2, capacity=1, shared=ItemSharedMemory(*shared.files)) for _ in range(2))
    for table in (one, other):
        table.set_content(Item(item_id="a"), np.array([1.0, 0.0], dtype=np.float32))
    for number in range(100):
        one.set_content(Item(item_id=f"b{number}"), np.array([0.0, number], dtype=np.float32))
    one.set_content(Item(item_id="a"), np.array([0.6, 0.8], dtype=np.float32))
    assert other.vectors[0].tolist() == pytest.approx([0.6, 0.8])
    other.set_content(Item(item_id="b99"), np.array([0.0, 99.0], dtype=np.float32))
    assert other.rows(["b0", "b99"]).tolist() == one.rows(["b0", "b99"]).tolist() == [1, 100]
    assert other.vectors[1:101, 1].tolist() == [float(number) for number in range(100)]
    assert not other.holds("b0")
    other.delete("a")
    assert one.vectors[0].tolist() == [0.0, 0.0]
