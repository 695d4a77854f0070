"""A project's files become events and items as its mapping says, and each row that cannot be used is accounted for."""

from pathlib import Path

import pytest

from deploy.dataset.project import ProjectError, load_project
from deploy.dataset.sources import SourcesRead, read_sources
from feature_repo.decoded_event import IMPRESSION

NOW = 2e9


CLICKS_AND_ITEMS = '[[history]]\nfile = "a.csv"\nevent = "click"\n[catalogue]\nfile = "items.csv"\n'


def read(directory: Path, project: str, **files: str) -> SourcesRead:
    for name, text in files.items():
        (directory / name.replace("_", ".")).write_text(text, encoding="utf-8")
    (directory / "headwater.toml").write_text(project)
    return read_sources(load_project(directory), now=NOW)


def test_values_of_an_event_column_are_renamed(tmp_path: Path) -> None:
    """By the mapping; what is skipped is no event and no rejected row."""
    found = read(
        tmp_path,
        '[[history]]\nfile = "a.csv"\n[history.names]\npv = "click"\nbuy = "purchase"\nping = "skip"\n',
        a_csv="user_id,item_id,occurred_at,event,value\nu,i,5,pv,\nu,i,6,buy,3\nu,i,7,ping,\nu,i,8,share,\n",
    )
    assert [(event.kind, event.value) for event in found.events] == [("click", None), ("purchase", 3.0), ("share", None)]
    assert found.rejects["a.csv"].rows == 4
    assert not found.rejects["a.csv"].counts


def test_a_row_with_outcomes_is_an_impression_and_what_came_of_it(tmp_path: Path) -> None:
    """Each outcome that is neither empty nor 0 is an event of its own, a moment later, with its value."""
    found = read(
        tmp_path,
        '[[history]]\nfile = "a.csv"\nvalue_unit = "minutes"\n[history.outcomes]\nclick = "clicked"\nread = "stayed"\n',
        a_csv="user_id,item_id,occurred_at,clicked,stayed\nu,i,5,0,0.0\nu,j,6,1,2\n",
    )
    assert [(event.item_id, event.kind, event.value) for event in found.events] == [
        ("i", IMPRESSION, None),
        ("j", IMPRESSION, None),
        ("j", "click", None),
        ("j", "read", 120.0),
    ]
    assert len({event.event_id for event in found.events}) == 4
    assert found.events[3].at == pytest.approx(6.0, abs=0.01)


def test_files_without_times_keep_each_pair_together(tmp_path: Path) -> None:
    """What two files say of one user and item lies within a second; pairs follow in the order of the first file, up to now."""
    table = '[[history]]\nfile = "{}.csv"\ntimed = false\nevent = "{}"\n'
    found = read(
        tmp_path,
        table.format("a", "purchase") + table.format("b", "read"),
        a_csv="user_id,item_id,value\nu,i,1\nu,j,1\nv,i,1\n",
        b_csv="user_id,item_id,value\nv,i,9\nu,i,8\n",
    )
    assert [(event.user_id, event.item_id, event.kind) for event in found.events] == [
        ("u", "i", "purchase"),
        ("u", "i", "read"),
        ("u", "j", "purchase"),
        ("v", "i", "purchase"),
        ("v", "i", "read"),
    ]
    assert found.events[1].at - found.events[0].at < 1.0
    assert found.events[2].at - found.events[1].at > 30.0
    assert found.events[-1].at < NOW


def test_sampled_impressions_stand_in_for_what_was_passed_over(tmp_path: Path) -> None:
    """At a first action the item and others are shown, none that the user acted on before; what follows soon adds none."""
    rows = "".join(f"u{n},i{n % 10},{100_000 * n + 1}\n" for n in range(40)) + "u39,i9,3900060\n"
    found = read(
        tmp_path,
        '[[history]]\nfile = "a.csv"\nevent = "click"\nsampled_impressions = 2\n',
        a_csv="user_id,item_id,occurred_at\n" + rows,
    )
    shown = [event for event in found.events if event.kind == IMPRESSION]
    assert [event.at for event in found.events] == sorted(event.at for event in found.events)
    places = set()
    for n in range(10, 40):
        mine = [event.item_id for event in shown if event.user_id == f"u{n}"]
        assert mine.count(f"i{n % 10}") == 1
        assert len(mine) == len(set(mine)) == 3
        places.add(mine.index(f"i{n % 10}"))
    assert places == {0, 1, 2}, "the place in the list must not tell which item was chosen"
    assert not [event for event in shown if event.user_id in {f"u{n}" for n in range(10)}], "before, each item was unheard of"
    assert found.kinds == {"click": 41}


def test_each_bad_row_is_counted_by_kind_with_its_number(tmp_path: Path) -> None:
    """The good ones come through; a missing catalogue makes bare items of what was acted on."""
    found = read(
        tmp_path,
        '[[history]]\nfile = "a.csv"\nevent = "rate"\n',
        a_csv="user_id,item_id,occurred_at,value\nu,i,5,1\n,i,5,1\nu,i,x,1\n,i,5,1\nu,i,9999999999,1\n",
    )
    assert len(found.events) == 1
    counts = found.rejects["a.csv"].counts
    assert counts["column 'user_id' is missing or empty"] == 2
    assert sum(counts.values()) == 4
    assert found.rejects["a.csv"].examples["column 'user_id' is missing or empty"][0].startswith("row 2:")
    assert [(item.item_id, item.type) for item in found.items] == [("i", "item")]


def test_a_file_may_stand_twice_as_two_events_of_its_rows(tmp_path: Path) -> None:
    """Each row is lent, and those with stars are rated: no event is taken for a repeat of the other."""
    table = '[[history]]\nfile = "a.csv"\nevent = "{}"\n'
    found = read(
        tmp_path,
        table.format("loan") + '[history.columns]\nvalue = "days"\n' + table.format("rate"),
        a_csv="user_id,item_id,occurred_at,value\nu,i,5,\nu,j,6,4,5\nu,k,7,4\n".replace("4,5", '"4,5"'),
    )
    assert [(event.item_id, event.kind, event.value) for event in found.events] == [
        ("i", "loan", None),
        ("j", "loan", None),
        ("j", "rate", 4.5),
        ("k", "loan", None),
        ("k", "rate", 4.0),
    ]
    assert len({event.event_id for event in found.events}) == 5
    assert dict(found.rejects["a.csv (history 2)"].counts) == {"column 'value' is missing or empty": 1}
    assert not found.rejects["a.csv (history 1)"].counts


def test_rows_that_say_the_same_are_counted_as_repeats(tmp_path: Path) -> None:
    """They are used; rows with event ids are no repeats, for the fold tells those by their ids."""
    project = '[[history]]\nfile = "{}.csv"\nevent = "click"\n'
    found = read(
        tmp_path,
        project.format("a") + project.format("b"),
        a_csv="user_id,item_id,occurred_at\nu,i,5\nu,i,5\nu,i,6\nu,i,5\n",
        b_csv="user_id,item_id,occurred_at,event_id\nu,i,5,x\nu,i,5,y\n",
    )
    assert len(found.events) == 6
    assert (found.rejects["a.csv"].repeats, found.rejects["b.csv"].repeats) == (2, 0)


def test_a_row_with_a_stray_separator_is_a_rejected_row(tmp_path: Path) -> None:
    """Of a history and of a catalogue; the others are used."""
    found = read(
        tmp_path,
        CLICKS_AND_ITEMS,
        a_csv="user_id,item_id,occurred_at\nu,i,5\nu,i,j,5\n",
        items_csv="item_id,title\ni,Bread\nj,Butter, salted\n",
    )
    assert [event.item_id for event in found.events] == ["i"]
    assert [item.title for item in found.items] == ["Bread"]
    for name in ("a.csv", "items.csv"):
        assert dict(found.rejects[name].counts) == {"more fields than the header names": 1}


def test_a_history_is_moved_in_time_as_a_whole(tmp_path: Path) -> None:
    """Events and the publication of items by the same seconds; what was read stays as it was."""
    found = read(
        tmp_path,
        CLICKS_AND_ITEMS,
        a_csv="user_id,item_id,occurred_at\nu,i,5\nu,j,9\n",
        items_csv="item_id,title,published_at\ni,Bread,3\nj,Butter,\n",
    )
    moved = found.ending_at(1009.0)
    assert [event.at for event in moved.events] == [1005.0, 1009.0]
    assert [item.published_at.seconds for item in moved.items] == [1003, 0]
    assert not moved.items[1].HasField("published_at")
    assert [event.at for event in found.events] == [5.0, 9.0]
    assert found.items[0].published_at.seconds == 3


def test_a_catalogue_is_read_by_its_columns(tmp_path: Path) -> None:
    """Types become lower-case names, categories are parted, and a row without an id is rejected."""
    found = read(
        tmp_path,
        '[[history]]\nfile = "a.csv"\nevent = "click"\n[catalogue]\nfile = "items.csv"\nitem_type = "film"\n'
        '[catalogue.columns]\nitem_id = "id"\ntitle = "name"\ncategories = "genres"\npublished_at = "year"\n',
        a_csv="user_id,item_id,occurred_at\nu,i,5\n",
        items_csv="id,name,genres,type,year\n1,Alien,Horror|Sci-Fi,,1979-05-25\n2,Jaws,,Long Film,1975\n,Lost,,,\n",
    )
    alien, jaws = found.items
    assert (alien.type, alien.title, list(alien.categories)) == ("film", "Alien", ["Horror", "Sci-Fi"])
    assert alien.published_at.seconds == 296438400
    assert jaws.type == "long_film"
    assert jaws.published_at.seconds == 157766400, "a year is its first day"
    assert sum(found.rejects["items.csv"].counts.values()) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("history = 1", "Expected"),
        ('[[history]]\nfile = "a.csv"\nfiel = 1', "fiel"),
        ('[[history]]\nfile = "a.csv"\n[history.columns]\nuser = "u"', "user is unknown; there are user_id"),
        ('[[history]]\nfile = "a.csv"\nsampled_impressions = -1', "give 0 or more"),
        ("[settings]\nPORT = 1", "write the whole name"),
        ("[", "headwater.toml"),
    ],
)
def test_a_wrong_project_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """With the key that is wrong."""
    (tmp_path / "headwater.toml").write_text(text)
    with pytest.raises(ProjectError, match=complaint):
        load_project(tmp_path)


def test_a_missing_project_says_how_to_make_one(tmp_path: Path) -> None:
    """It names the command."""
    with pytest.raises(ProjectError, match="headwater init"):
        load_project(tmp_path)


def test_a_synthetic_history_ends_just_before_now(tmp_path: Path) -> None:
    """Events in order of time and items of the catalogue's types, the same at each reading."""
    synthetic = "[types.song]\nshare = 1\nopened = 'play'\nchance = 0.3\ntitles = ['{0} song']\n"
    project = '[simulate]\ncatalogue = "synthetic.toml"\nusers = 10\nitems = 20\ndays = 3.0\n'
    found = read(tmp_path, project, synthetic_toml=synthetic)
    assert {item.type for item in found.items} == {"song"}
    assert set(found.kinds) == {IMPRESSION, "play"}
    times = [event.at for event in found.events]
    assert times == sorted(times)
    assert NOW - 3 * 86_400 <= times[0] < times[-1] <= NOW
    assert found.events == read(tmp_path, project, synthetic_toml=synthetic).events
