"""Following the published snapshots: swap, refuse, and keep serving the last good one."""

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


async def test_damaged_snapshot_leaves_the_last_good_one_serving(world: World, model: Recommender) -> None:
    """It is counted once, however often it is looked at."""
    world.publish(model)
    await world.watcher.refresh()
    good = world.watcher.current()
    world.publish(model)
    weights = world.directory / "snapshots" / "v00000002" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    for _ in range(3):
        await world.watcher.refresh()
    assert world.watcher.current() is good
    assert world.rejected == ["snapshot"]


async def test_snapshot_for_other_tasks_or_another_encoder_is_refused(world: World, model: Recommender) -> None:
    """Scores under the wrong names, or over the wrong vectors, would look right and be wrong."""
    other = Vocabulary(parse_tasks('[tasks.buy]\nkind = "binary"\nevent = "purchase"'))
    world.publish(Recommender(ModelConfig(text_dimension=DIMENSIONS), other))
    await world.watcher.refresh()
    world.publish(model, encoder_version="another")
    await world.watcher.refresh()
    assert world.watcher.current() is None
    assert len(world.rejected) == 2
