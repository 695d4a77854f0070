"""Settings of the learner and of its challenger: what they lead to, and how mistakes are told."""

import pytest

from streams.learning.settings import ChallengerSettings, LearnerSettings


def test_what_is_set_reaches_trainer_and_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, as an operator sets it."""
    for name, value in {
        "TRUNK": "mmoe",
        "HIDDEN": "[48, 16]",
        "BALANCING": "upgrad",
        "LEARNING_RATE": "0.001",
        "REPLAYED": "0.5",
        "WORSE_AT_MOST": "1.2",
    }.items():
        monkeypatch.setenv(f"HEADWATER_LEARNER_{name}", value)
    settings = LearnerSettings()
    config = settings.trainer(384)
    assert (config.model.trunk, config.model.hidden, config.model.text_dimension) == ("mmoe", (48, 16), 384)
    assert (config.balancing, config.learning_rate, config.replayed) == ("upgrad", 0.001, 0.5)
    assert settings.guard().bounds.worse_at_most == 1.2


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TRUNK", "ple", "shared_bottom"),
        ("BALANCING", "magic", "uncertainty"),
        ("LEARNING_RATE", "0", "greater than 0"),
        ("HIDDEN", "[]", "every size must be 1 or more"),
        ("HELD_OUT_SHARE", "1.5", "less than 1"),
    ],
)
def test_mistakes_are_told_at_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str) -> None:
    """With what may be written instead."""
    monkeypatch.setenv(f"HEADWATER_LEARNER_{name}", value)
    with pytest.raises(ValueError, match=told):
        LearnerSettings()


def test_a_challenger_differs_in_what_is_set_and_in_nothing_else() -> None:
    """And there is none where nothing is set, or only what the champion does already."""
    champion = LearnerSettings().trainer(384)
    assert ChallengerSettings().trainer(champion) is None
    challenger = ChallengerSettings(trunk="mmoe", learning_rate=1e-3, text_width=16).trainer(champion)
    assert challenger is not None
    assert (challenger.model.trunk, challenger.model.width, challenger.learning_rate) == ("mmoe", 16, 1e-3)
    assert (challenger.balancing, challenger.model.hidden) == (champion.balancing, champion.model.hidden)
    with pytest.raises(ValueError, match="HEADWATER_CHALLENGER"):
        ChallengerSettings(trunk="shared_private").trainer(champion)
