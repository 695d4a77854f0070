"""What `headwater check` says of values outside their task's range."""

import pytest

from deploy.dataset.check import find_labels
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from tests.feature_repo.worlds import event

STARS = '[tasks.stars]\nkind = "regression"\nevent = "rate"\n'


@pytest.mark.parametrize(
    ("declared", "labels"), [("", 41), ("min = 1\nmax = 5", 41), ('min = 1\nmax = 5\noutside = "refuse"', 40)]
)
def test_values_outside_their_range_are_counted(declared: str, labels: int) -> None:
    """Clipped they are labels like all others, and the mean stays on the scale; refused they are none."""
    rated = [event("rate", at=1000.0 + at, value=50_000.0 if at == 30 else 1.0 + at % 5) for at in range(41)]
    [found] = find_labels(Vocabulary(parse_tasks(STARS + declared)), rated)
    assert (found.outside, found.labels) == (1, labels)
    assert 2.9 < found.mean < 3.2
