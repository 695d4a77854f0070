"""Tables become messages by what their columns tell."""

from pathlib import Path

from deploy.dataset.outgoing import changes, events


def test_rows_of_a_table_are_events(tmp_path: Path) -> None:
    """With ids that are the same each time, and times where the table has them; what is none is told with its place."""
    (tmp_path / "a.csv").write_text("user,item,timestamp,what\nu,i,1788250000,view\nu,,1788250001,view\nu,j,1788250002,buy\n")
    [view, bad, buy] = events(str(tmp_path / "a.csv"))
    assert not isinstance(view[1], str)
    assert view[1].HasField("click")
    assert view[1].occurred_at.seconds == 1_788_250_000
    assert not isinstance(buy[1], str)
    assert buy[1].HasField("purchase")
    assert bad[0] == "row 2 (line 3)"
    assert isinstance(bad[1], str)
    assert "column 'item' is missing" in bad[1]
    assert [str(message) for _, message in events(str(tmp_path / "a.csv"))] == [str(message) for _, message in (view, bad, buy)]


def test_events_without_times_are_of_now(tmp_path: Path) -> None:
    """The producer fills in when they were sent."""
    (tmp_path / "a.csv").write_text("user,item\nu,i\nv,j\n")
    assert [isinstance(one, str) or one.HasField("occurred_at") for _, one in events(str(tmp_path / "a.csv"))] == [False, False]


def test_rows_of_items_are_changes(tmp_path: Path) -> None:
    """A row without an id is told."""
    (tmp_path / "items.csv").write_text("item_id,title\n1,Lamp\n,Stool\n")
    [lamp, bad] = changes(str(tmp_path / "items.csv"))
    assert not isinstance(lamp[1], str)
    assert lamp[1].upsert.title == "Lamp"
    assert isinstance(bad[1], str)
