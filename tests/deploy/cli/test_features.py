"""`headwater features` reads the store that a deployment's settings name, as its processes do."""

from pathlib import Path

import pytest

from feature_repo.store import RowStore
from tests.deploy.cli.test_commands import headwater
from tests.feature_repo.worlds import TASKS, VOCABULARY, event, fold_all
from tests.redis import running_redis


def test_a_user_of_a_deployment_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a Redis and a tasks file in the environment, as in a pod, and no stack on this machine."""
    row, _, _ = fold_all([(0, event("impression")), (1, event("click", at=1001.0))])
    (tmp_path / "tasks.toml").write_text(TASKS)
    with running_redis(tmp_path / "store") as settings:
        RowStore(settings, VOCABULARY).write_users([row])
        monkeypatch.setenv("HEADWATER_STORE_KIND", "redis")
        monkeypatch.setenv("HEADWATER_STORE_REDIS_URL", str(settings.redis_url))
        lost = headwater("features", row.user_id, cwd=tmp_path)
        monkeypatch.setenv("HEADWATER_TASKS_FILE", str(tmp_path / "tasks.toml"))
        shown = headwater("features", row.user_id, cwd=tmp_path)
        nobody = headwater("features", "nobody", cwd=tmp_path)
    away = headwater("features", row.user_id, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "first event 1970-01-01 00:16:40" in shown.stdout
    assert lost.stderr.startswith("error: no stack runs on")
    assert "or name the address with --tasks" in lost.stderr
    assert nobody.stderr.startswith("error: user 'nobody' has no features")
    assert "the redis online store at 127.0.0.1 could not be read" in away.stderr
