"""Status file and promotion request for the challenger."""

from collections.abc import Mapping
from dataclasses import asdict

import msgspec

from runtime.errors import UserError
from training.release.champion_challenger import Comparison
from training.storage import join, read_whole, write_whole

__all__ = ["PromotionError", "PromotionNotes", "Standing"]


class PromotionError(UserError):
    """A request that cannot be made; the message says why and what to do."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a challenger compares, as the learner last wrote it."""

    promotions: int
    """Promotions so far; a request names the next one, so that it is met once."""
    champion: str
    challenger: str
    comparisons: dict[str, dict[str, float]]
    """By task: `labels`, losses of `champion` and `challenger`, `standard_errors` that the challenger is better by."""


class PromotionNotes:
    """Two notes beside the snapshots, in a directory or an object store: `challenger.json` and `PROMOTE`."""

    def __init__(self, location: str) -> None:
        """Args: `location` is that of the snapshots."""
        self._standing, self._request = join(location, "challenger.json"), join(location, "PROMOTE")

    def tell(self, *, promotions: int, champion: str, challenger: str, comparisons: Mapping[str, Comparison]) -> None:
        """Writes the standing; raises OSError where it cannot."""
        standing = Standing(
            promotions=promotions,
            champion=champion,
            challenger=challenger,
            comparisons={task: asdict(found) for task, found in comparisons.items()},
        )
        write_whole(self._standing, msgspec.json.format(msgspec.json.encode(standing)))

    def standing(self) -> Standing:
        """The standing that was last written; raises PromotionError if there is none."""
        try:
            return msgspec.json.decode(read_whole(self._standing), type=Standing)
        except FileNotFoundError:
            raise PromotionError(
                f"{self._standing}: no challenger learns here; override its settings, such as "
                "HEADWATER_CHALLENGER_TRUNK=mmoe, and start the learner"
            ) from None
        except (OSError, msgspec.MsgspecError) as error:
            raise PromotionError(f"{self._standing}: cannot be read ({error}); the learner soon writes it again") from error

    def request(self) -> Standing:
        """Asks for the next promotion; returns the standing that it was asked on. Raises PromotionError without a challenger."""
        standing = self.standing()
        write_whole(self._request, str(standing.promotions + 1).encode())
        return standing

    def clear(self) -> None:
        """Takes a request back, where there is one."""
        if self.requested():
            write_whole(self._request, b"0")

    def requested(self) -> int:
        """Number of the promotion that is asked for; 0 for none."""
        try:
            text = read_whole(self._request).decode(errors="replace").strip()
        except FileNotFoundError:
            return 0
        return int(text) if text.isdigit() else 0
