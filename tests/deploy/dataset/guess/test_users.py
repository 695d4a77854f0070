"""Of several columns that may hold the user the one is taken that covers most rows, comes back, and lasts."""

from datetime import UTC
from pathlib import Path

from deploy.dataset.files import Source
from deploy.dataset.guess.draft import draft_history
from deploy.dataset.guess.profile import Profile, profile
from deploy.dataset.guess.users import is_close, user_candidates


def table(directory: Path, *, known: float = 1.0, rows: int = 600) -> Profile:
    """Visits of three rows by 40 people, one an hour; of the people only a part has an account."""
    lines = [
        f"s{n // 3},{f'p{n // 3 % 40}' if n // 3 % 40 < 40 * known else ''},i{n % 9},{1_788_250_000 + 3600 * n}"
        for n in range(rows)
    ]
    (directory / "a.csv").write_text("\n".join(["sessionId,personId,itemId,timestamp", *lines]))
    return profile(Source(location=str(directory / "a.csv")))


def test_a_person_goes_before_a_session(tmp_path: Path) -> None:
    """And the runner-up is shown, with what to say if that is the user."""
    draft = draft_history(table(tmp_path))
    assert draft.columns["user_id"] == "personId"
    [note] = draft.notes
    assert "user_id is personId (40 users on 100% of the rows" in note
    assert "rather than sessionId (200 users" in note
    assert "--column user_id=sessionId if not" in note
    assert draft.close_users == []


def test_a_session_goes_before_a_person_that_is_hardly_ever_known(tmp_path: Path) -> None:
    """Rows without a user are lost."""
    assert draft_history(table(tmp_path, known=0.1)).columns["user_id"] == "sessionId"


def test_a_close_choice_is_told_as_such(tmp_path: Path) -> None:
    """So that somebody looks."""
    found = user_candidates(table(tmp_path, known=0.4), time_column="timestamp", zone=UTC)
    assert is_close(found)
    draft = draft_history(table(tmp_path, known=0.4))
    assert len(draft.close_users) == 2
    assert "hardly more likely than" in draft.notes[0]


def test_a_constant_is_no_user(tmp_path: Path) -> None:
    """Nor is what differs on every row, where something else comes back."""
    lines = [f"web,c{n},m{n % 9},i{n % 7},{1_788_250_000 + 3600 * n}" for n in range(90)]
    (tmp_path / "b.csv").write_text("\n".join(["client,cookie,member,itemId,timestamp", *lines]))
    assert draft_history(profile(Source(location=str(tmp_path / "b.csv")))).columns["user_id"] == "member"
