"""Tests each balancing on a conflict that it is made for, beside fixed weights, which fail there."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchjd.linalg import PSDMatrix

from feature_repo.tasks import Task
from training.balancing import Balancing, BalancingName, build_balancing
from training.balancing.pairwise_gradients import ConeProjector
from training.balancing.weights import DynamicWeights, FixedWeights, Uncertainty

A, B = (Task(name=name, kind="regression", event="rate") for name in ("a", "b"))
BOTH = torch.ones(2)
SURGERIES: tuple[BalancingName, ...] = ("pcgrad", "upgrad")

Losses = Callable[[Tensor], Tensor]


def descend(balancing: Balancing, losses: Losses, start: list[float], *, steps: int, rate: float) -> Tensor:
    """Plain gradient descent over one shared point from `start`; returns where it ends."""
    point = nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.SGD([{"params": [point]}, {"params": list(balancing.parameters())}], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        losses_T = losses(point)
        balancing.backward(losses_T, BOTH, shared=[point], own=[])
        optimizer.step()
        balancing.observe(losses_T.detach(), BOTH)
    return point.detach()


def directions(gradients: list[list[float]]) -> Losses:
    """Linear losses with these gradients."""
    return lambda point: torch.tensor(gradients) @ point


def rises(balancing: Balancing, gradients: list[list[float]]) -> Tensor:
    """How much each of two linear losses rises by one step."""
    return directions(gradients)(descend(balancing, directions(gradients), [0.0, 0.0], steps=1, rate=1.0))


def test_fixed_weights_are_shares_of_the_whole() -> None:
    """Two tasks that pull to 1 and to 0 meet where the tasks file's weights say."""
    balancing = FixedWeights((replace(A, weight=3.0), B))
    end = descend(balancing, lambda x: torch.stack(((x - 1.0).square().sum(), x.square().sum())), [0.5], steps=200, rate=0.1)
    assert end.tolist() == pytest.approx([0.75], abs=1e-3)


def test_dynamic_weights_turn_to_the_task_that_falls_behind() -> None:
    """After the taste behind one of two tasks shifts, that task is nearer its new place than under fixed weights."""

    def settled_then_shifted(balancing: Balancing) -> Tensor:
        floors = torch.tensor([0.1, 2.0])
        start = descend(balancing, lambda x: (x - 1.0) ** 2 + floors, [1.0], steps=500, rate=0.1)
        ends = torch.tensor([3.0, 1.0])
        return descend(balancing, lambda x: (x - ends) ** 2 + floors, start.tolist(), steps=100, rate=0.1)

    fixed, dynamic = settled_then_shifted(FixedWeights((A, B))), settled_then_shifted(DynamicWeights((A, B)))
    assert float(fixed) == pytest.approx(2.0, abs=0.05)
    assert float(dynamic) > 2.15


def test_dynamic_weights_are_the_formula_of_the_paper() -> None:
    """One loss stays the same, one has halved: the factors are 2 softmax([1, 0.5] / 2)."""
    balancing = DynamicWeights((A, B))
    balancing.sums_2T.copy_(torch.tensor([[4.0, 3.0], [4.0, 6.0]]))
    balancing.counts_2T.fill_(2.0)
    assert balancing.factors().tolist() == pytest.approx([1.124353, 0.875647], abs=1e-6)


def test_dynamic_weights_let_a_task_without_labels_be() -> None:
    """Batches in which a task has no labels say nothing of its progress."""
    balancing = DynamicWeights((A, B))
    for loss in (1.0, 2.0, 3.0):
        balancing.observe(torch.tensor([loss, 5.0]), BOTH)
    before = balancing.sums_2T[:, 0] / balancing.counts_2T[:, 0]
    for _ in range(50):
        balancing.observe(torch.tensor([0.0, 5.0]), torch.tensor([0.0, 1.0]))
    assert torch.equal(balancing.sums_2T[:, 0] / balancing.counts_2T[:, 0], before)


def test_uncertainty_trusts_the_task_with_less_noise() -> None:
    """Of two sights of one thing, one ten times as noisy, uncertainty follows the sharp one; fixed weights end between them."""
    noise = torch.Generator().manual_seed(0)

    def noisy(point: Tensor) -> Tensor:
        sights = torch.tensor([0.0, 5.0]) + torch.tensor([0.3, 3.0]) * torch.randn(64, 2, generator=noise)
        return 0.5 * (point - sights).square().mean(0)

    fixed = descend(FixedWeights((A, B)), noisy, [2.0], steps=500, rate=0.05)
    weighed = descend(Uncertainty((A, B)), noisy, [2.0], steps=500, rate=0.05)
    assert float(fixed) == pytest.approx(2.5, abs=0.3)
    assert float(weighed) < 0.6


def test_uncertainty_rests_at_twice_the_mean_loss_whatever_the_share_of_labels() -> None:
    """The learned log variance of a task is log(2 * loss per label), also where only a tenth of the examples have its label."""
    balancing, share = Uncertainty((A, B)), torch.tensor([1.0, 0.1])
    optimizer = torch.optim.SGD(balancing.parameters(), lr=0.5)
    for _ in range(2000):
        optimizer.zero_grad()
        balancing.backward(torch.tensor([2.0, 2.0]) * share, share, shared=[], own=[])
        optimizer.step()
    assert balancing.log_variance_T.exp().tolist() == pytest.approx([4.0, 4.0], rel=1e-2)


@pytest.mark.parametrize("name", SURGERIES)
@settings(deadline=None)
@given(
    lesser=st.floats(0.1, 10), greater=st.floats(0.1, 10), angle=st.floats(1.7, 3.0), turn=st.floats(0, 6), swapped=st.booleans()
)
def test_surgery_sets_no_task_back(
    name: BalancingName, lesser: float, greater: float, angle: float, turn: float, swapped: bool
) -> None:
    """Whatever the lengths of two gradients at an obtuse angle, neither loss rises."""
    at = torch.tensor([[turn, turn + torch.pi / 2], [turn + angle, turn + angle + torch.pi / 2]])
    gradients = (at.cos() * torch.tensor([[lesser], [greater]])).flip(0 if swapped else 1)
    change_T = rises(build_balancing(name, (A, B)), gradients.tolist())
    assert (change_T <= 1e-3 * gradients.square().sum()).all()


@pytest.mark.parametrize("name", [*SURGERIES, "mgda"])
def test_surgery_helps_where_one_gradient_drowns_the_other(name: BalancingName) -> None:
    """A gradient ten times as long raises the other's loss under fixed weights, and does not under surgery."""
    gradients = [[10.0, 0.0], [-1.0, 1.0]]
    assert rises(FixedWeights((A, B)), gradients)[1] > 1.0
    change_T = rises(build_balancing(name, (A, B)), gradients)
    assert change_T[1] < 0.0
    assert change_T[0] <= 1e-2


@pytest.mark.parametrize("name", [*SURGERIES, "priorities"])
def test_without_conflict_gradients_are_summed(name: BalancingName) -> None:
    """Where no task is in another's way, surgery and priorities step as fixed weights do."""
    gradients = [[1.0, 0.0], [0.5, 1.0]]
    assert rises(build_balancing(name, (A, B)), gradients).tolist() == pytest.approx(
        rises(FixedWeights((A, B)), gradients).tolist(), rel=1e-3
    )


def test_priorities_shield_the_greater_task_alone() -> None:
    """The greater task ends at its best, where fixed weights are pulled away; what it leaves free, the lesser one learns."""

    def losses(point: Tensor) -> Tensor:
        return torch.stack((point[0].square(), 9.0 * (point - torch.tensor([3.0, 2.0])).square().sum()))

    greater_first = descend(build_balancing("priorities", (replace(A, priority=1), B)), losses, [0.5, 0.0], steps=400, rate=0.02)
    assert greater_first.tolist() == pytest.approx([0.0, 2.0], abs=0.05)
    assert float(descend(FixedWeights((A, B)), losses, [0.5, 0.0], steps=400, rate=0.02)[0]) > 2.5
    equals = build_balancing("priorities", (A, B))
    assert float(descend(equals, losses, [0.5, 0.0], steps=400, rate=0.02)[0]) > 2.5


def test_lowest_of_three_yields_to_both_above_it() -> None:
    """Projecting off one greater task must not turn the step against the other."""
    gradients = [[1.0, 0.2, 0.0], [-0.8, 1.0, 0.0], [-1.0, -1.0, 1.0]]
    tasks = tuple(Task(name=name, kind="regression", event="rate", priority=9 - at) for at, name in enumerate("xyz"))
    point = nn.Parameter(torch.zeros(3))
    balancing = build_balancing("priorities", tasks)
    # The lowest's own pull: what is left of the step beside that of the two above it.
    steps: list[Tensor] = []
    for count in (2, 3):
        point.grad = None
        known_T = (torch.arange(3) < count).float()
        balancing.backward(torch.tensor(gradients) @ point * known_T, known_T, shared=[point], own=[])
        assert point.grad is not None
        steps.append(point.grad.clone())
    pull = steps[1] - steps[0]
    assert (torch.tensor(gradients[:2]) @ pull >= -1e-3).all()
    assert float(pull[2]) > 0.1


@pytest.mark.parametrize("name", [*SURGERIES, "mgda", "priorities"])
def test_own_parameters_get_their_plain_gradient(name: BalancingName) -> None:
    """What serves one task alone is not held back, and a task without labels in the batch does not stop the others."""
    shared, own = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(2))
    balancing = build_balancing(name, (A, B))
    balancing.backward(torch.stack((shared[0] * own[0], -shared[0] * own[1])), BOTH, shared=[shared], own=[own])
    assert own.grad is not None
    assert own.grad.tolist() == [0.5, -0.5]
    balancing.backward(torch.stack((shared[0] * own[0], own.sum() * 0.0)), torch.tensor([1.0, 0.0]), shared=[shared], own=[own])
    assert shared.grad is not None
    assert float(shared.grad) == pytest.approx(0.5)


def test_unknown_name_is_refused() -> None:
    """A method that is not there is named, beside those that are."""
    with pytest.raises(ValueError, match="choose one of fixed"):
        build_balancing("best", (A, B))  # type: ignore[arg-type]  # what a setting could hold


@settings(deadline=None)
@given(
    scales=st.lists(st.floats(-3.0, 2.0), min_size=2, max_size=7),
    width=st.integers(1, 9),
    seed=st.integers(0, 1000),
    at=st.integers(0, 6),
)
def test_projection_onto_the_cone_is_the_optimum(scales: list[float], width: int, seed: int, at: int) -> None:
    """Whatever the lengths and the rank of the gradients, the conditions of Karush, Kuhn and Tucker hold."""
    tasks = len(scales)
    generator = torch.Generator().manual_seed(seed)
    gradients_KP = torch.randn(tasks, width, dtype=torch.float64, generator=generator) * 10.0 ** torch.tensor(scales)[:, None]
    wanted_K = torch.eye(tasks, dtype=torch.float64)[at % tasks]
    weights_K = ConeProjector()(wanted_K, PSDMatrix(gradients_KP @ gradients_KP.T))
    lengths_K, step_P = gradients_KP.norm(dim=1), weights_K @ gradients_KP
    size = float(lengths_K[at % tasks])
    assert (weights_K >= wanted_K).all()
    assert (gradients_KP @ step_P >= -1e-6 * size * lengths_K).all(), "a loss rises"
    assert ((weights_K - wanted_K) * (gradients_KP @ step_P)).abs().max() <= 1e-6 * size**2, "more was added than needed"
