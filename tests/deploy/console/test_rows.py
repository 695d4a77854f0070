"""What the page reads of a user's stored row."""

from pathlib import Path

from deploy.console.rows import Rows
from feature_repo.rows import UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import SourcePosition

VOCABULARY = Vocabulary(parse_tasks('[tasks.click]\nkind = "binary"\nevent = "click"'))


async def test_of_a_forgotten_user_nothing_is_shown(tmp_path: Path) -> None:
    """Not zeros whose newest event is of 1970; a user who is known is shown."""
    settings = StoreSettings(directory=tmp_path)
    apply(settings)
    known, forgotten = UserRow.empty("ann", VOCABULARY), UserRow.empty("bob", VOCABULARY)
    known.updated_at = forgotten.updated_at = 1000.0
    forgotten.erase("wish", SourcePosition(log=1, partition=0, offset=1), 2000.0)
    RowStore(settings, VOCABULARY).write_users([known, forgotten])
    rows = Rows(lambda: RowStore(settings, VOCABULARY), VOCABULARY)
    assert await rows.shown("bob") is None
    shown = await rows.shown("ann")
    assert shown is not None
    assert shown["updated_at"] == 1000.0
    rows.close()
