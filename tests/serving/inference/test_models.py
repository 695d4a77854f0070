"""Following the published snapshots: swap, refuse, and keep serving the last good one."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from tests.serving.worlds import DIMENSIONS, World
from training.model import ModelConfig, Recommender


async def test_new_snapshot_is_taken_over_and_a_rollback_followed(world: World, model: Recommender) -> None:
    """The server serves what CURRENT names, whichever way it moves."""
    await world.watcher.refresh()
    assert world.watcher.current() is None
    for number in (1, 2):
        world.publish(model)
        await world.watcher.refresh()
        served = world.watcher.current()
        assert served is not None
        assert served.version == f"v{number:08d}"
    world.snapshots.rollback()
    await world.watcher.refresh()
    served = world.watcher.current()
    assert served is not None
    assert served.number == 1


def _flip_a_byte(version: Path) -> None:
    weights = version / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")


def _cut_the_weights(version: Path) -> None:
    weights = version / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])


def _cut_the_manifest(version: Path) -> None:
    manifest = version / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:100])


def _lose_the_weights(version: Path) -> None:
    (version / "model.safetensors").unlink()


@pytest.mark.parametrize("damage", [_flip_a_byte, _cut_the_weights, _cut_the_manifest, _lose_the_weights])
async def test_damaged_snapshot_leaves_the_last_good_one_serving(
    world: World, model: Recommender, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is counted and logged once, however often it is looked at, and the next good one is taken over."""
    world.publish(model)
    await world.watcher.refresh()
    good = world.watcher.current()
    world.publish(model)
    damage(world.directory / "snapshots" / "v00000002")
    for _ in range(3):
        await world.watcher.refresh()
    assert world.watcher.current() is good
    assert world.rejected == ["snapshot"]
    assert capsys.readouterr().out.count("snapshot_not_served") == 1
    world.publish(model)
    await world.watcher.refresh()
    served = world.watcher.current()
    assert served is not None
    assert served.number == 3


async def test_a_model_that_fails_to_load_in_an_unforeseen_way_leaves_the_watcher_alive(
    world: World, model: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when memory is short: the failure is counted, the last good model serves, and the next look may succeed."""
    world.publish(model)
    watching = asyncio.create_task(world.watcher.watch())
    with monkeypatch.context() as patched:
        patched.setattr(Recommender, "load_state_dict", _raise_memory_error)
        await _until(lambda: world.rejected == ["snapshot"])
        assert world.watcher.current() is None
    await _until(lambda: world.watcher.current() is not None)
    assert not watching.done()
    watching.cancel()


def _raise_memory_error(*_: object) -> None:
    raise MemoryError("no memory for this model")


async def _until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60.0):
        while not what():  # noqa: ASYNC110 - nothing tells of a swap
            await asyncio.sleep(0.01)


async def test_snapshot_for_other_tasks_or_another_encoder_is_refused(world: World, model: Recommender) -> None:
    """Scores under the wrong names, or over the wrong vectors, would look right and be wrong."""
    other = Vocabulary(parse_tasks('[tasks.buy]\nkind = "binary"\nevent = "purchase"'))
    world.publish(Recommender(ModelConfig(text_dimension=DIMENSIONS), other))
    await world.watcher.refresh()
    world.publish(model, encoder_version="another")
    await world.watcher.refresh()
    assert world.watcher.current() is None
    assert len(world.rejected) == 2
