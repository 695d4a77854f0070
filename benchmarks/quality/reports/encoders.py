"""Report of the figures on encoders."""

from collections.abc import Mapping
from typing import Any

__all__ = ["part"]


def part(found: Mapping[str, Any]) -> str:
    """The section as Markdown."""
    rows = [
        "| | pooling | English | Chinese | Chinese to English | cosine of unlike titles |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    halves = []
    for name, variants in found["encoders"].items():
        for pooling, figures in variants.items():
            shares = " | ".join(f"{figures[key]:.0%}" for key in ("english", "chinese", "across"))
            rows.append(f"| {name} | {pooling} | {shares} | {figures['cosine_of_unlike']:.2f} |")
        halves.append(f"{name} {variants['mean']['cosine_of_bfloat16']:.4f}")
    return "\n\n".join(
        (
            "## Encoders: are titles of one subject neighbours?",
            f"{found['titles']} titles made for this, two on each subject in English and the same in Chinese, without telling "
            "words in common. Share of titles whose nearest is the other one of its subject, in English and in Chinese; of "
            "Chinese titles whose nearest English one is its translation; and the mean cosine of English titles of different "
            "subjects. *Centred*: less the mean of these titles (`HEADWATER_ENCODER_CENTRE`).",
            "\n".join(rows),
            f"In bfloat16 a title's vector keeps at least this cosine with the one in float32: {', '.join(halves)}.",
        )
    )
