"""Snapshots and checkpoints in a real S3 server: published whole, numbered once, retired, and swept after a crash."""

import threading
import urllib.request
from collections.abc import Iterator

import pytest
import torch
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from feature_repo.vocabulary import Vocabulary
from training.model import ModelConfig, Recommender
from training.storage.checkpoints import CheckpointError, CheckpointFile
from training.storage.objects import ObjectStorage
from training.storage.snapshots import Manifest, SnapshotError, SnapshotStore

LOCATION = "s3://models/headwater"
HOUR = 3600.0

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:datetime.datetime.utcnow:DeprecationWarning")


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3FileSystem]:
    """An S3 server with one bucket, as the environment names it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with urllib.request.urlopen(f"{url}/moto-api/reset", data=b"", timeout=10.0):
        """The server's buckets outlive it, within one process."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    S3FileSystem.clear_instance_cache()
    made = S3FileSystem()
    made.mkdir("models")
    yield made
    server.stop()
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(files: S3FileSystem, clock: Clock) -> SnapshotStore:
    return SnapshotStore(LOCATION, keep=3, clock=clock)


@pytest.fixture
def model(vocabulary: Vocabulary) -> Recommender:
    return Recommender(ModelConfig(text_dimension=24, width=8, hidden=(16, 8)), vocabulary)


def publish(store: SnapshotStore, model: Recommender) -> Manifest:
    """Publishes without metrics."""
    return store.publish(model, encoder_version="mini-1", examples=64, metrics={})


def test_what_is_published_is_what_another_process_loads(store: SnapshotStore, model: Recommender, clock: Clock) -> None:
    """An empty prefix serves nothing; then the newest serves, with the very weights, and a rollback is seen by the others."""
    assert store.current() is None
    assert store.list() == []
    first, second = publish(store, model), publish(store, model)
    other = SnapshotStore(LOCATION, clock=clock)
    assert (other.current(), other.list()) == (2, [first, second])
    loaded = other.load(2).model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())
    store.rollback()
    assert other.current() == 1


def test_oldest_are_removed_but_not_the_way_back(store: SnapshotStore, model: Recommender, files: S3FileSystem) -> None:
    """Retention is that of a directory, and leaves no object of a removed version behind."""
    for _ in range(5):
        publish(store, model)
    assert store.versions() == [3, 4, 5]
    assert not files.find("models/headwater/v00000001")


def test_writers_at_the_same_time_take_different_numbers(store: SnapshotStore, model: Recommender, clock: Clock) -> None:
    """Two learners that overlap during a restart overwrite nothing of each other."""
    published: list[Manifest] = []
    stores = [SnapshotStore(LOCATION, keep=20, clock=clock) for _ in range(4)]
    threads = [threading.Thread(target=lambda one=one: published.append(publish(one, model))) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(manifest.version for manifest in published) == [1, 2, 3, 4]
    assert [store.load(version).manifest.version for version in store.versions()] == [1, 2, 3, 4]


def test_a_writer_that_dies_leaves_nothing_that_is_served(
    store: SnapshotStore, model: Recommender, files: S3FileSystem, clock: Clock
) -> None:
    """Weights without a manifest are no version; their number is not used again, and after an hour they are swept."""
    publish(store, model)
    dying = ObjectStorage(LOCATION, clock=clock)
    assert dying.claim("v00000002")
    files.pipe_file("models/headwater/v00000002/model.safetensors", b"half of it")
    assert store.versions() == [1]
    assert publish(store, model).version == 3
    assert files.exists("models/headwater/v00000002/claim")
    clock.now += HOUR + 1.0
    publish(store, model)
    files.invalidate_cache()
    assert not files.find("models/headwater/v00000002")
    assert store.versions() == [1, 3, 4]


def test_damage_is_told_in_words(store: SnapshotStore, model: Recommender, files: S3FileSystem) -> None:
    """Weights that are not those of the manifest are refused, with the URL."""
    publish(store, model)
    files.pipe_file("models/headwater/v00000001/model.safetensors", b"other")
    with pytest.raises(SnapshotError, match=r"s3://models/headwater/v00000001/model\.safetensors: damaged"):
        store.load(1)


def test_a_store_that_is_away_is_an_os_error(model: Recommender, files: S3FileSystem, clock: Clock) -> None:
    """A bucket that does not exist is told with its URL, as the errors of a directory are: callers need to know of one kind."""
    away = SnapshotStore("s3://no-such-bucket/headwater", clock=clock)
    with pytest.raises(OSError, match=r"no.such.bucket"):
        publish(away, model)


def test_checkpoint_is_the_last_whole_one(files: S3FileSystem) -> None:
    """Nothing before the first save, then the last; damage is an error with a message."""
    checkpoint = CheckpointFile(f"{LOCATION}/learner.checkpoint")
    assert checkpoint.load() is None
    assert checkpoint.claim() is None
    checkpoint.save({"offset": 1, "weights": torch.ones(3)})
    checkpoint.save({"offset": 2, "weights": torch.zeros(3)})
    assert CheckpointFile(checkpoint.location).load() == {"offset": 2, "weights": pytest.approx(torch.zeros(3))}
    files.pipe_file("models/headwater/learner.checkpoint", b"cut")
    with pytest.raises(CheckpointError, match="learn afresh"):
        checkpoint.load()
