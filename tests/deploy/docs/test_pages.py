"""The reference pages and the AsyncAPI document: current, whole, and fit to check messages by."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from deploy.contracts import asyncapi
from deploy.docs.pages import pages
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from tests.deploy.settings import variables
from tests.streams.corpus import corpus

DECISIONS = Path(__file__).parents[3] / "docs" / "decisions"


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_generated_pages_are_current(path: Path) -> None:
    """What is checked in is what the sources make."""
    assert path.read_text() == pages()[path], "run `make generated` and commit what it writes"


def test_decisions_are_counted_without_gap_or_repeat() -> None:
    """Each page's number is that of its file, and no two have the same."""
    files = sorted(DECISIONS.glob("*.md"))
    assert [int(path.name[:4]) for path in files] == list(range(1, len(files) + 1))
    assert [path.read_text().split(".")[0] for path in files] == [f"# {int(path.name[:4])}" for path in files]


def test_every_variable_of_every_process_has_its_line() -> None:
    """None is left out, whichever module declares it."""
    [page] = [content for path, content in pages().items() if path.name == "settings.md"]
    assert {name for name in variables() if f"`{name}`" not in page} == set()


def test_every_setting_says_what_it_means() -> None:
    """No row of the page has an empty last column."""
    [page] = [content for path, content in pages().items() if path.name == "settings.md"]
    assert [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


def _validator(message: str) -> jsonschema.Draft7Validator:
    document = yaml.safe_load(asyncapi.text())
    return jsonschema.Draft7Validator({"$ref": f"#/components/schemas/{message}", "components": document["components"]})


def _sound_events() -> Iterator[Event]:
    for record in corpus(400, seed=7, now=1_700_000_000.0):
        if record.reason is None and record.value.lstrip()[:1] != b"{":
            yield Event.FromString(record.value)


def test_the_schema_takes_every_sound_event() -> None:
    """All sorts of events in their JSON form, as protobuf itself writes it."""
    validator, count = _validator("Event"), 0
    for event in _sound_events():
        plain = MessageToDict(event, preserving_proto_field_name=True)
        assert [error.message for error in validator.iter_errors(plain)] == []
        count += 1
    assert count > 100
    item = {"item_id": "i1", "type": "film", "title": "Heat", "categories": ["crime"], "attributes": {"year": "1995"}}
    assert _validator("CatalogueChange").is_valid(MessageToDict(CatalogueChange(upsert=item), preserving_proto_field_name=True))


@pytest.mark.parametrize(
    "event",
    [
        '{"user_id": 7, "click": {}}',
        '{"user_id": "u", "click": {}, "impression": {}}',
        '{"user_id": "u"}',
        '{"user_id": "u", "read": {"seconds": "long"}}',
    ],
)
def test_the_schema_refuses_what_no_worker_would_take(event: str) -> None:
    """Wrong types, two bodies, none."""
    assert not _validator("Event").is_valid(json.loads(event))


def test_the_schema_names_every_field() -> None:
    """A field that is added to the messages is added to the document."""
    schemas = asyncapi.schemas(["Event", "CatalogueChange"])
    assert set(schemas["Event"]["properties"]) == {field.name for field in Event.DESCRIPTOR.fields}
    assert set(schemas["ServedFeatures"]["properties"]) >= {"fingerprint", "values"}
