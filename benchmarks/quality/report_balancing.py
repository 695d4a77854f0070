"""Owns how it is shown what each way of balancing brings on real ratings."""

from collections.abc import Mapping
from typing import Any

from benchmarks.quality.report_newsroom import BALANCED
from benchmarks.quality.report_together import table

__all__ = ["part"]


def part(found: Mapping[str, Any]) -> str:
    """The section as Markdown."""
    others = {name: title for name, title in BALANCED.items() if name != "fixed"}
    return "\n\n".join(
        (
            "## Ways of balancing on MovieLens-100k",
            "Every event; log loss of like, RMSE of stars. Fixed weights, the default, as they are, the others as more or less "
            f"than that in percent (less is better), mean of {len(found['seeds'])} seeds, lowest to highest in brackets. The two "
            "tasks are two views of one rating, so there is little to balance; where tasks pull apart, see the newsroom and "
            "docs/concepts/balance.md.",
            table(found["figures"], "fixed", BALANCED["fixed"], others),
        )
    )
