"""Estimates from drawn lists against worlds whose truth is known in closed form."""

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.metrics.off_policy import DrawnList, Estimates, evaluate

CHANCES_A = np.array([0.6, 0.3, 0.2, 0.05])
LOGGED_A = np.array([0.0, 0.4, 0.2, 0.1])
JUDGED_A = np.array([0.5, 0.2, 0.1, 0.0])
PLACES = 2


def order_chance(order: tuple[int, ...], scores_A: NDArray[np.float64], temperature: float) -> list[float]:
    """Plackett-Luce by definition."""
    odds = np.exp(scores_A / temperature)
    return [float(odds[at] / (odds.sum() - odds[list(order[:place])].sum())) for place, at in enumerate(order)]


def reward_chance(order: tuple[int, ...], place: int) -> float:
    """The second place earns half of what it would earn alone where the first was a good item: places do interact."""
    return float(CHANCES_A[order[place]] * (0.5 if place == 1 and order[0] in (0, 1) else 1.0))


def truth(temperature: float) -> float:
    """Expected reward of a list of the judged ranking, over all lists that there are."""
    if temperature == 0.0:
        return reward_chance((0, 1), 0) + reward_chance((0, 1), 1)
    return sum(
        float(np.prod(order_chance(order, JUDGED_A, temperature))) * sum(reward_chance(order, place) for place in range(PLACES))
        for order in permutations(range(4), PLACES)
    )


def log(lists: int, *, expected: bool, seed: int = 0, scores_A: NDArray[np.float64] = JUDGED_A) -> list[DrawnList]:
    rng, logged_at = np.random.default_rng(seed), 0.3
    drawn: list[DrawnList] = []
    for _ in range(lists):
        order = tuple(np.argsort(-(LOGGED_A / logged_at + rng.gumbel(size=4)))[:PLACES].tolist())
        reward_K = np.array([float(rng.random() < reward_chance(order, place)) for place in range(PLACES)])
        drawn.append(
            DrawnList(
                scores_A=scores_A,
                shown_K=np.array(order),
                propensity_K=np.array(order_chance(order, LOGGED_A, logged_at)),
                reward_K=reward_K,
                expected_A=CHANCES_A if expected else None,
            )
        )
    return drawn


@pytest.mark.parametrize("temperature", [0.0, 0.2, 1.0])
def test_all_estimators_find_the_truth(temperature: float) -> None:
    """Within four of their own standard errors, though the logged ranking earns less by many more."""
    found = evaluate(log(20_000, expected=True), temperature=temperature)
    assert found.doubly_robust is not None
    for estimate in (found.ips, found.snips, found.doubly_robust):
        assert abs(estimate.value - truth(temperature)) < 4.0 * estimate.error
        assert estimate.error < 0.03
    assert found.logged.value < truth(temperature) - 4.0 * found.logged.error
    assert found.doubly_robust.error < found.ips.error


def test_errors_are_those_of_repeated_logs() -> None:
    """The spread of 200 small logs' estimates is what each log says of itself, within a fifth."""
    repeats: list[Estimates] = [evaluate(log(300, expected=True, seed=seed), temperature=0.2) for seed in range(200)]
    for name in ("ips", "snips", "doubly_robust"):
        estimates = [getattr(repeat, name) for repeat in repeats]
        spread = np.std([estimate.value for estimate in estimates])
        assert spread == pytest.approx(np.mean([estimate.error for estimate in estimates]), rel=0.2)


def test_ranking_that_drew_the_log_is_judged_by_what_it_earned() -> None:
    """All weights are 1, so IPS and SNIPS are the plain mean and every list counts in full."""
    found = evaluate(log(500, expected=False, scores_A=LOGGED_A), temperature=0.3)
    assert found.ips.value == pytest.approx(found.logged.value)
    assert found.snips.value == pytest.approx(found.logged.value)
    assert found.effective_lists == pytest.approx(500.0)
    assert found.doubly_robust is None


def test_estimates_are_those_of_the_open_bandit_pipeline() -> None:
    """What obp 0.4.1 made of this log: SlateRewardInteractionIPS of whole lists, and its IPW, SNIPW and DR of first places."""
    orders, rewards = ((0, 1), (2, 0), (1, 3), (1, 2), (3, 0), (0, 2)), ((1, 0), (0, 1), (1, 1), (0, 0), (0, 1), (1, 0))
    chances = [order_chance(order, LOGGED_A, 0.3) for order in orders]

    def estimates(places: int) -> Estimates:
        lists = [
            DrawnList(
                scores_A=JUDGED_A,
                shown_K=np.array(order[:places]),
                propensity_K=np.array(chance[:places]),
                reward_K=np.array(reward[:places], dtype=float),
                expected_A=CHANCES_A,
            )
            for order, chance, reward in zip(orders, chances, rewards, strict=True)
        ]
        return evaluate(lists, temperature=0.5)

    assert estimates(2).ips.value == pytest.approx(2.218277671545338)
    first = estimates(1)
    assert first.doubly_robust is not None
    assert first.ips.value == pytest.approx(1.2292915977212198)
    assert first.snips.value == pytest.approx(0.7704588476948754)
    assert first.doubly_robust.value == pytest.approx(0.8266492839796493)


def test_list_that_cannot_be_judged_is_refused() -> None:
    """An empty log gives no estimate."""
    with pytest.raises(ValueError, match="no list to judge by"):
        evaluate([])
