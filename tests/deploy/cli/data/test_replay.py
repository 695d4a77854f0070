"""`headwater replay` learns from a file as the stream would, reports, and publishes a model that loads."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from sklearn.metrics import log_loss, ndcg_score, roc_auc_score
from typer.testing import CliRunner

from deploy.cli.data import replay
from training.storage.snapshots import SnapshotStore

TASKS = '[tasks.like]\nkind = "binary"\nevent = "rate"\nat_least = 4\n'


@pytest.fixture
def app() -> typer.Typer:
    """The command on its own."""
    app = typer.Typer()
    replay.register(app)
    return app


def arguments(directory: Path, *, ratings: int = 400, senseless_from: int | None = None) -> list[str]:
    """A history of ratings of two films by ten users who love one and hate the other, and where everything goes."""

    def stars(number: int) -> int:
        loved = number % 2 if senseless_from is None or number < senseless_from else number // 10 % 2
        return 5 if loved else 1

    with (directory / "ratings.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("userId", "item_id", "occurred_at", "value"))
        rows.writerows((f"u{n % 10}", f"i{n % 2}", 1_000_000 + 60 * n, stars(n)) for n in range(ratings))
    (directory / "films.jsonl").write_text('{"upsert": {"item_id": "i1", "type": "film", "title": "Alien"}}\n')
    (directory / "tasks.toml").write_text(TASKS)
    flags = {"--tasks": "tasks.toml", "--catalogue": "films.jsonl", "--out": "out.json", "--cache-dir": "cache"}
    return [str(directory / "ratings.csv"), *(part for flag, name in flags.items() for part in (flag, str(directory / name)))]


def test_a_history_is_learned_judged_and_published(app: typer.Typer, tmp_path: Path) -> None:
    """The report counts everything once and finds the taste; the snapshot serves the same tasks."""
    extra = ["--column", "user_id=userId", "--event", "rate", "--imply-impressions", "--snapshot-dir", str(tmp_path / "models")]
    done = CliRunner().invoke(app, [*arguments(tmp_path), *extra])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["events"], report["duplicates"], report["users"]) == (800, 0, 10)
    assert report["examples"] == 384  # full batches of 32
    assert report["span_seconds"] == 60 * 399
    assert report["tasks"]["like"]["last_fifth"]["headwater"]["auc"] > 0.95
    [manifest] = SnapshotStore(tmp_path / "models", clock=lambda: 0.0).list()
    assert (manifest.examples, [task.name for task in manifest.tasks]) == (384, ["like"])


def test_figures_can_be_computed_again_from_the_predictions(app: typer.Typer, tmp_path: Path) -> None:
    """Within lists, over all and of the last fifth, for Headwater and each baseline."""
    random = np.random.default_rng(0)
    with (tmp_path / "shown.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("user_id", "item_id", "occurred_at", "recommendation_id", "event"))
        for n in range(300):
            user, at = random.integers(30), 1_000_000 + 3_600 * n
            items = random.choice(40, size=6, replace=False)
            rows.writerows((f"u{user}", f"i{item}", at, f"list {n}", "impression") for item in items)
            taken = items[random.random(6) < np.where(items % 3 == user % 3, 0.6, 0.1)]
            rows.writerows((f"u{user}", f"i{item}", at + 20, f"list {n}", "click") for item in taken)
    (tmp_path / "tasks.toml").write_text('[tasks.click]\nkind = "binary"\nevent = "click"\n')
    flags = ["--tasks", "tasks.toml", "--out", "out.json", "--cache-dir", "cache", "--predictions", "made/all.parquet"]
    given = [str(tmp_path / "shown.csv"), *(flag if flag.startswith("--") else str(tmp_path / flag) for flag in flags)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "out.json").read_text())["tasks"]["click"]
    made = pq.read_table(tmp_path / "made/all.parquet").to_pandas()
    assert set(figures["all"]) == {"headwater", "user_item_mean", "item_mean", "recent_popularity"}
    for window, part in (("all", made), ("last_fifth", made[made["last_fifth"]])):
        for model, figure in figures[window].items():
            label, score = part["click.label"], part[f"click.{model}"]
            assert figure["auc"] == pytest.approx(roc_auc_score(label, score), abs=1e-6)
            if model != "recent_popularity":
                assert figure["log_loss"] == pytest.approx(log_loss(label, score.astype("float64")), rel=1e-4)
            both = [one for _, one in part.groupby("list") if 0 < one["click.label"].sum() < len(one)]
            assert figure["lists"] == len(both) > 20
            aucs = [roc_auc_score(one["click.label"], one[f"click.{model}"]) for one in both]
            assert figure["list_auc"] == pytest.approx(np.mean(aucs), abs=1e-6)
            gains = [ndcg_score([one["click.label"]], [one[f"click.{model}"]], k=5) for one in both]
            assert figure["list_ndcg_at_5"] == pytest.approx(np.mean(gains), abs=1e-6)


def test_the_guard_judges_what_is_replayed(app: typer.Typer, tmp_path: Path) -> None:
    """A burst of ratings that mean nothing is refused and reported; the weights that are published are those of before it."""
    given = arguments(tmp_path, ratings=3_800, senseless_from=3_200)
    extra = ["--column", "user_id=userId", "--event", "rate", "--snapshot-dir", str(tmp_path / "models"), "--guard"]
    done = CliRunner().invoke(app, [*given, *extra])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["judged"] == 4
    assert [(one["task"], one["reason"], one["undone"]) for one in report["refused"]] == [("like", "surprise", 1024)]
    assert "refused 1 times: surprise of like" in done.output
    [manifest] = SnapshotStore(tmp_path / "models", clock=lambda: 0.0).list()
    assert manifest.examples == 2560


def test_a_wrong_column_is_a_usage_error(app: typer.Typer, tmp_path: Path) -> None:
    """It lists the fields that there are."""
    done = CliRunner().invoke(app, [*arguments(tmp_path), "--column", "user=userId"])
    assert done.exit_code == 2
    assert "occurred_at" in done.output


def test_the_first_events_alone_can_be_learned_from(app: typer.Typer, tmp_path: Path) -> None:
    """A try on a large file takes its earliest part."""
    extra = ["--column", "user_id=userId", "--event", "rate", "--first", "100"]
    done = CliRunner().invoke(app, [*arguments(tmp_path), *extra])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["events"], report["span_seconds"]) == (100, 60 * 99)
