"""A stranger's files become a project that is checked and learned from, by `init`, `check` and `replay` alone."""

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.cli.connection import CliError
from deploy.dataset.files import HistoryFileError
from deploy.dataset.project import load_project

ROOT = Path(__file__).parents[4]
VIEWS = "visitor;Product;when;what\n" + "".join(
    f"u{n % 12};p{n % 5};2024-03-{1 + n // 40:02d} 10:{n % 60:02d}:00;{'buy' if n % 5 == n % 3 else 'view'}\n" for n in range(400)
)
PRODUCTS = "id,name,genre\n" + "".join(f"p{n},Lamp number {n},lamps\n" for n in range(5))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files of a shop in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("HEADWATER_TASKS_FILE", "HEADWATER_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "views.csv").write_text(VIEWS)
    (tmp_path / "products.csv").write_text(PRODUCTS)
    return tmp_path


def headwater(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, terminal_width=80)


MAKE = ("init", "--history", "views.csv", "--catalogue", "products.csv", "--item-type", "product")
COLUMNS = ("--column", "occurred_at=when", "--column", "event=what")


def test_columns_that_names_tell_are_found(here: Path) -> None:
    """The rest is said by flags; the project says what each column and value means."""
    done = headwater(*MAKE, *COLUMNS)
    assert done.exit_code == 0, done.output
    project = load_project(here)
    [history] = project.history
    assert history.columns == {"user_id": "visitor", "item_id": "Product", "occurred_at": "when", "event": "what"}
    assert history.names == {"view": "click", "buy": "purchase"}
    assert history.sampled_impressions > 0
    assert project.catalogue is not None
    assert (project.catalogue.item_type, project.catalogue.columns.title) == ("product", "name")


AWKWARD = "Wer?;Recipe No.;What they did;Zeitpunkt (lokal);device\n" + "".join(
    f"cook{n % 12};R-{n % 9};{('open', 'cooked')[n % 4 == 0]};"
    f"{f'{1 + n // 40:02d}.03.2024 10:{n % 60:02d}' if n % 3 else f'2024-03-{1 + n // 40:02d}T10:{n % 60:02d}:00Z'};Web\n"
    for n in range(400)
)
RECIPES = "Recipe No.,标题,Küche / 菜系,Prep (mins),First online,Beschreibung; lang\n" + "".join(
    f"R-{n},番茄炒蛋{n},{('川菜', '甜点')[n % 2]},{10 + n} min,2024/01/0{1 + n},家常的番茄炒蛋做法第{n}种很好吃\n"
    for n in range(9)
)


def test_columns_whose_names_tell_nothing_are_found_by_their_values(here: Path) -> None:
    """Dates in two forms, events, the catalogue's ids, Chinese titles: the user's id alone has to be said; the rest is told."""
    (here / "log.csv").write_text(AWKWARD)
    (here / "菜谱.csv").write_text(RECIPES)
    files = ("init", "--history", "log.csv", "--catalogue", "菜谱.csv")
    with pytest.raises(HistoryFileError, match=r"looks like user_id; say which it is: --column user_id=COLUMN, of Wer\?"):
        CliRunner().invoke(app, list(files), catch_exceptions=False)
    made = headwater(*files, "--column", "user_id=Wer?")
    assert made.exit_code == 0, made.output
    assert "not used: device" in made.output
    project = load_project(here)
    [history] = project.history
    assert history.columns == {
        "user_id": "Wer?",
        "item_id": "Recipe No.",
        "occurred_at": "Zeitpunkt (lokal)",
        "event": "What they did",
    }
    assert history.time_formats == ("%d.%m.%Y %H:%M",)
    assert project.catalogue is not None
    columns = project.catalogue.columns
    assert (columns.item_id, columns.title, columns.text) == ("Recipe No.", "标题", "Beschreibung; lang")
    assert (columns.categories, columns.published_at) == ("Küche / 菜系", "First online")
    checked = " ".join(headwater("check").output.split())
    assert "rows:" not in checked, "every row can be used"
    assert "from 2024-03-01 to 2024-03-10" in checked
    assert "9 of 9 titles are not in Latin letters" in checked


LOANS = "Lfd. Nr.;Leser;Signatur;Ausgeliehen am;Sterne;Zweigstelle\n" + "".join(
    f"{n};L-{n % 40};Kri {n % 9}.1 Abc;{1 + n // 60:02d}.03.2024;{('', '4,5', '2', '')[n % 4]};Nord\n" for n in range(600)
)
MEDIA = "Signatur;Titel;Sachgruppe;Jahr\n" + "".join(f"Kri {n}.1 Abc;Mord am Kanal {n};Krimi;{1990 + n}\n" for n in range(9))


def test_names_of_several_words_and_milliseconds_are_understood(here: Path) -> None:
    """Of a podcast's plays all four columns are found; a number of something else is neither a time nor a value."""
    rows = (f"L{n % 12}|p{n % 5}|{1_793_976_379_000 + 60_000 * n}|{n % 40},5|{n}\n" for n in range(200))
    (here / "plays.csv").write_text("listener|episode|started (ms)|minutes heard|purchase no\n" + "".join(rows))
    done = headwater("init", "pods", "--history", "plays.csv", "--catalogue", "products.csv", "--item-type", "episode")
    assert done.exit_code == 0, done.output
    [history] = load_project(here / "pods").history
    found = {"user_id": "listener", "item_id": "episode", "occurred_at": "started (ms)", "value": "minutes heard"}
    assert history.columns == found
    assert (history.event, history.value_unit) == ("read", "minutes")


def test_stars_that_not_each_row_has_are_learned_beside_the_rows(here: Path) -> None:
    """A library's loans in German: the file stands twice, as loans and as ratings; rows that repeat another are told of."""
    (here / "ausleihen.csv").write_text(LOANS + LOANS.splitlines()[1] + "\n", encoding="utf-8-sig")
    (here / "medien.csv").write_text(MEDIA)
    files = ("--history", "ausleihen.csv", "--catalogue", "medien.csv", "--column", "user_id=Leser", "--column", "title=Titel")
    made = headwater("init", *files, "--event", "loan")
    assert made.exit_code == 0, made.output
    loans, ratings = load_project(here).history
    assert (loans.event, ratings.event) == ("loan", "rate")
    assert loans.columns == {"user_id": "Leser", "item_id": "Signatur", "occurred_at": "Ausgeliehen am"}
    assert ratings.columns == {**loans.columns, "value": "Sterne"}
    assert (loans.sampled_impressions > 0, ratings.sampled_impressions) == (True, 0)
    checked = " ".join(headwater("check").output.split())
    assert "601 loan, 300 rate" in checked
    assert "rows that repeat an earlier one, its time too: 1" in checked
    assert "column 'Sterne' is missing or empty" in checked


def test_all_columns_that_are_missing_are_named_at_once(here: Path) -> None:
    """So that one more try is enough."""
    (here / "log.csv").write_text(AWKWARD)
    with pytest.raises(HistoryFileError, match=r"like user_id, nor like item_id; .*user_id=COLUMN --column item_id=COLUMN"):
        CliRunner().invoke(app, ["init", "--history", "log.csv"], catch_exceptions=False)


def test_the_project_is_checked_and_learned_from(here: Path) -> None:
    """check finds both tasks learnable; replay needs no argument, and gives figures beside the baselines."""
    headwater(*MAKE, *COLUMNS)
    checked = headwater("check")
    assert checked.exit_code == 0, checked.output
    assert "12 users, 5 items acted on, 5 in the catalogue" in checked.output
    assert "from 2024-03-01 to 2024-03-10" in checked.output
    replayed = headwater("replay", "--cache-dir", "cache")
    assert replayed.exit_code == 0, replayed.output
    report = json.loads((here / "build/replay.json").read_text())
    assert set(report["tasks"]) == {"click", "purchase"}
    assert report["tasks"]["click"]["all"]["headwater"]["count"] > 100


def test_bad_rows_are_reported_and_passed_over(here: Path) -> None:
    """check says which and why; replay counts them and goes on."""
    (here / "views.csv").write_text(VIEWS + "u1;;2024-03-01;view\nu1;p1;tomorrow;view\n")
    headwater(*MAKE, *COLUMNS)
    checked = headwater("check")
    assert "row 401: column 'Product' is missing or empty" in checked.output
    assert "row 402: column 'when' holds 'tomorrow'" in checked.output
    replayed = headwater("replay", "--cache-dir", "cache")
    assert "2 of 402 rows passed over" in replayed.output
    assert replayed.exit_code == 0


def test_a_lone_file_is_checked_by_the_same_guesses(here: Path) -> None:
    """Nothing is written; ratings become a like and a rating task."""
    (here / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n" + "".join(f"u{n},m{n % 7},{1 + n % 5},{1e9 + n}\n" for n in range(90))
    )
    done = headwater("check", "ratings.csv")
    assert done.exit_code == 0, done.output
    assert "Read as rate; user_id = userId, item_id = movieId" in done.output
    assert "regression" in done.output
    assert not (here / "headwater.toml").exists()


def test_it_is_said_when_nothing_would_be_learned(here: Path) -> None:
    """A task whose event the data does not hold: exit status 1, and why."""
    (here / "r.csv").write_text("user,item,rating,time\nu,i,5,1000\nu,j,5,2000\n")
    (here / "tasks.toml").write_text('[tasks.share]\nkind = "binary"\nevent = "share"\n')
    with pytest.raises(CliError, match="nothing would be learned"):
        CliRunner().invoke(app, ["check", "r.csv", "--tasks", "tasks.toml"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("init",), "name a file"),
        (
            ("init", "--history", "products.csv"),
            "no column looks like user_id; say which it is: .*, of id, name",
        ),
        ((*MAKE, "--column", "user_id=nobody"), "no file has that column; there are .*visitor"),
        (("check",), "there is no headwater.toml here"),
    ],
)
def test_what_is_missing_is_named(here: Path, arguments: tuple[str, ...], complaint: str) -> None:
    """With what to say, and the columns that there are."""
    with pytest.raises((CliError, HistoryFileError), match=complaint):
        CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_a_project_is_not_written_over(here: Path) -> None:
    """Unless --force says so."""
    assert headwater(*MAKE, *COLUMNS).exit_code == 0
    assert "--force" in str(headwater(*MAKE, *COLUMNS).exception)
    assert headwater(*MAKE, *COLUMNS, "--force").exit_code == 0


def test_files_without_times_are_put_in_the_course_of_things(here: Path) -> None:
    """Whichever is named first: played comes after bought, so that both follow from having been shown."""
    pairs = [(f"u{n % 40}", f"g{n % 9}") for n in range(360)]
    (here / "plays.csv").write_text("user,game,hours\n" + "".join(f"{user},{game},2\n" for user, game in pairs[::2]))
    (here / "buys.csv").write_text("user,game,purchase\n" + "".join(f"{user},{game},1\n" for user, game in pairs))
    flags = ("--history", "plays.csv", "--history", "buys.csv", "--column", "item_id=game", "--yes")
    assert headwater("init", *flags).exit_code == 0
    assert [history.event for history in load_project(here).history] == ["purchase", "read"]
    assert "no positives" not in " ".join(headwater("check").output.split())


def test_gzipped_tables_of_games_owned_and_played_are_walked_in_four_commands(here: Path) -> None:
    """Tabs, no times, hours, and names in a third file: init guesses all of it, and what is learned beats guessing."""
    owned = [(user, game) for user in range(60) for game in range(24) if (game + user) % 3 == 0]
    tables = {
        "game_purchase": ("User_ID\tGame_ID\tPurchase", [f"{user}\t{game}\t1.0" for user, game in owned]),
        "game_play": ("User_ID\tGame_ID\tHours", [f"{user}\t{game}\t{1 + 40 * (game % 2)}.5" for user, game in owned[::2]]),
        "item_info": (
            "Game_ID\tGame Name",
            [f"{game}\tA game of {'dragons' if game % 2 else 'trains'} {game}" for game in range(24)],
        ),
    }
    for name, (header, rows) in tables.items():
        (here / f"{name}.dat.gz").write_bytes(gzip.compress("\n".join([header, *rows, ""]).encode()))
    files = ("--history", "game_play.dat.gz", "--history", "game_purchase.dat.gz", "--catalogue", "item_info.dat.gz")
    made = headwater("init", *files, "--item-type", "game", "--yes")
    assert made.exit_code == 0, made.output
    assert [(history.event, history.timed) for history in load_project(here).history] == [("purchase", False), ("read", False)]
    checked = headwater("check")
    assert checked.exit_code == 0, checked.output
    assert "60 users, 24 items acted on, 24 in the catalogue" in checked.output
    replayed = headwater("replay", "--cache-dir", "cache")
    assert replayed.exit_code == 0, replayed.output
    hours = json.loads((here / "build/replay.json").read_text())["tasks"]["read_seconds"]["last_fifth"]
    assert hours["headwater"]["rmse"] < hours["user_item_mean"]["rmse"] + 0.3


def test_what_is_answered_wrongly_is_asked_again(here: Path) -> None:
    """At a terminal: a column that is not there, and a file that is not there, cost no other answer."""
    answers = ("absent.csv", "products.csv", "visitor", "prodct", "Product", "when", "what", "-", "", "", "", "", "product")
    output = at_a_terminal(here, answers, "--history", "views.csv")
    assert "'prodct' is none of visitor, Product, when, what" in output
    assert "absent.csv is no file" in output
    project = load_project(here)
    assert project.catalogue is not None
    assert (project.catalogue.item_type, project.catalogue.columns.title) == ("product", "name")
    assert project.history[0].columns == {
        "user_id": "visitor",
        "item_id": "Product",
        "occurred_at": "when",
        "event": "what",
    }


def test_questions_alone_make_a_project_of_two_files(here: Path) -> None:
    """No flag: both files, what their rows are, and the column and unit of the time played, are asked for."""
    (here / "plays.csv").write_text("who,game,spent\nu,g,90\n")
    (here / "buys.csv").write_text("who,game,price\nu,g,5\n")
    files = ("plays.csv", "buys.csv", "")
    plays = ("", "game", "-", "-", "read", "", "spent", "fortnights", "minutes")
    output = at_a_terminal(here, (*files, "", *plays, "", "game", "", "", "", "-"))
    assert "spent: 90" in output
    assert "'fortnights' is none of milliseconds, seconds, minutes, hours" in output
    bought, played = load_project(here).history
    assert (bought.event, bought.columns) == ("purchase", {"user_id": "who", "item_id": "game"})
    assert (played.event, played.value_unit, played.columns["value"]) == ("read", "minutes", "spent")


def at_a_terminal(here: Path, answers: tuple[str, ...], *flags: str) -> str:
    """What `headwater init` says to somebody who types these answers."""
    terminal, theirs = pty.openpty()
    program = [sys.executable, "-c", "from deploy.cli import main; main()", "init", *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, cwd=here, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        os.write(terminal, "".join(f"{answer}\n" for answer in answers).encode())
        output = b"".join(iter(lambda: _read(terminal), b"")).decode()
        assert process.wait(60.0) == 0, output
    os.close(terminal)
    return output


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""
