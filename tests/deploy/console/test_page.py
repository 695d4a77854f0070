"""The console in a real browser on a real stack: what a person does on it changes what is shown, and nothing is amiss."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from deploy import local
from deploy.local.ports import answers
from deploy.local.stack import Stack, StackConfig
from deploy.local.state import StackState
from deploy.observe.scrape import scrape
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from serving.api.tokens import new_token
from tests.broker import free_port
from tests.browser import running_browser
from training.simulation.simulation import Simulation, SimulationConfig

pytestmark = pytest.mark.timeout(400)

_DAY = 86_400
_PATIENCE_MS = 60_000
PHONE, DESK = (390, 844), (1440, 1000)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackState]:
    """A stack with its console, filled with three days of a small synthetic newsroom."""
    directory: Path = tmp_path_factory.mktemp("console")
    lines: list[str] = []
    tasks_file = Path(local.__file__).with_name("tasks.toml")
    config = StackConfig(data_dir=directory, tasks_file=tasks_file, partitions=2, console=True)
    world = Simulation(
        SimulationConfig(users=30, items=60, days=3.0, sessions_per_day=2.0, begins_at=float(int(time.time()) - 3 * _DAY - 7200)),
        np.random.default_rng(0),
    )
    with Stack(config, report=lines.append, echo=lambda name, line: lines.append(line)) as stack:
        state = stack.start()
        with event_producer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer:
            for change in world.catalogue():
                producer.send_change(change)
            for event, _ in world.events():
                producer.send(event)
            producer.send_bytes(EVENTS.name, "user-1", b"\xff not an event")
            producer.flush(raise_on_failure=True)
        deadline = time.monotonic() + 120.0
        for process, metric, number in (
            ("learner", "headwater_snapshots_published_total", 1),
            ("server", "headwater_catalogue_items", 60),
        ):
            while scrape(state.metrics_ports[process]).total(metric) < number:
                stack.check()
                assert time.monotonic() < deadline, f"{metric} has not reached {number}"
                time.sleep(0.2)
        yield state


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as one:
        yield one


@pytest.fixture
def page(browser: Browser, state: StackState) -> Iterator[Page]:
    """The page of user-1; the test fails if the browser's log holds an error or a warning by the end."""
    yield from _opened(browser, state, DESK, "light")


def _opened(browser: Browser, state: StackState, size: tuple[int, int], scheme: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if scheme == "dark" else "light")
    page.set_default_timeout(_PATIENCE_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{state.console}/#user-1")
    expect(page.locator("#lists .panel")).to_have_count(3, timeout=_PATIENCE_MS)
    yield page
    page.close()
    assert complaints == []


def test_a_click_travels_and_changes_the_scores(page: Page) -> None:
    """Each station is reached in order of time, the item's own score changes, and it leaves the list."""
    item = page.locator(".item").first
    clicked = item.get_attribute("data-item")
    item.locator("[data-key^='click ']").click()
    trace = page.locator("#trace li").first
    expect(trace.locator("[data-station=served]")).to_have_class("reached", timeout=_PATIENCE_MS)
    times = [float(text.removesuffix(" ms")) for text in trace.locator("b").all_inner_texts()]
    assert len(times) == 3
    assert times == sorted(times)
    assert "→" in trace.locator("[data-changed=click]").inner_text()
    expect(page.locator(f"[data-item={clicked}]")).to_have_count(0, timeout=_PATIENCE_MS)
    expect(page.locator("#features tbody").last).to_contain_text("click")


def test_reading_is_timed_until_it_is_stopped(page: Page) -> None:
    """The seconds between the two buttons are what the event says."""
    page.locator("[data-key^='read ']").first.click()
    stop = page.get_by_role("button", name="Stop reading")
    expect(stop).to_be_focused()
    page.wait_for_timeout(1200)
    stop.press("Enter")
    line = page.locator("#trace li").first
    expect(line.locator("[data-station=served]")).to_have_class("reached", timeout=_PATIENCE_MS)
    seconds = float(line.locator(".what").inner_text().split("(")[1].split(" s)")[0])
    assert seconds >= 1.2


def test_a_new_user_is_met_and_becomes_known(page: Page) -> None:
    """The answer says that nothing is known; after one purchase the stored features are there."""
    page.get_by_role("button", name="New user").click()
    expect(page.locator("#features")).to_contain_text("Nothing is known yet")
    page.locator("[data-key^='purchase ']").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#features")).to_contain_text("Last engaged with", timeout=_PATIENCE_MS)


def test_it_is_said_why_an_item_is_shown(page: Page) -> None:
    """What moved each task's prediction from that of an average user and item, as text."""
    button = page.locator("[data-key^='why ']").first
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".why").first).to_contain_text("of an average user and item", timeout=_PATIENCE_MS)
    expect(page.locator(".why li").first).to_contain_text("points", timeout=_PATIENCE_MS)


def test_health_learning_and_dead_letters_are_shown(page: Page) -> None:
    """A curve for each task as soon as a model is published, the median of freshness, and the junk that was sent."""
    expect(page.get_by_role("img", name="AUC of click")).to_be_visible(timeout=_PATIENCE_MS)
    expect(page.get_by_role("img", name="RMSE of read seconds")).to_be_visible()
    expect(page.locator("#model")).to_contain_text("model v")
    expect(page.locator("#tiles")).to_contain_text("event to feature")
    page.get_by_text("Dead letters", exact=True).click()
    expect(page.locator("#letters table")).to_contain_text("unparseable", timeout=_PATIENCE_MS)


@contextmanager
def read_only(state: StackState, **more: str) -> Iterator[str]:
    """Address of a second console on the same stack, as production would run it; `more` variables on top."""
    port = free_port()
    environment = {
        **more,
        "HEADWATER_CONSOLE_PORT": str(port),
        "HEADWATER_CONSOLE_SERVER": state.server,
        "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": state.bootstrap_servers,
        "HEADWATER_STORE_DIRECTORY": state.store_dir,
        "HEADWATER_SNAPSHOT_DIR": state.snapshot_dir,
        "HEADWATER_TASKS_FILE": state.tasks_file,
    }
    # By the launcher, so that a test run that is killed leaves no console behind.
    launch = [sys.executable, "-m", "deploy.local.launcher", str(os.getpid())]
    with subprocess.Popen([*launch, sys.executable, "-m", "deploy.console"], env={**os.environ, **environment}) as process:
        deadline = time.monotonic() + 120.0
        while not answers(port):
            assert process.poll() is None
            assert time.monotonic() < deadline, "the console did not answer"
            time.sleep(0.1)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_a_token_is_asked_for_and_kept_while_the_tab_is_open(browser: Browser, state: StackState, tmp_path: Path) -> None:
    """A wrong one is refused with a message; the right one shows the lists, also after a reload, and not in another tab."""
    token, hashed = new_token()
    table = f'[clients.ann]\nsha256 = "{hashed}"\nscopes = ["score", "admin"]\nexpires = 2100-01-01T00:00:00Z\n'
    (tmp_path / "tokens.toml").write_text(table)
    (tmp_path / "tokens.toml").chmod(0o600)
    with read_only(state, HEADWATER_CONSOLE_TOKENS_FILE=str(tmp_path / "tokens.toml")) as address:
        page = browser.new_page()
        page.goto(f"{address}/#user-1")
        expect(page.get_by_label("Token", exact=True)).to_be_focused(timeout=_PATIENCE_MS)
        page.keyboard.type("guessed\n")
        expect(page.get_by_role("alert")).to_contain_text("not known here", timeout=_PATIENCE_MS)
        page.get_by_label("Token", exact=True).fill(token)
        page.get_by_role("button", name="Look").click()
        expect(page.locator("#lists .panel").first).to_be_visible(timeout=_PATIENCE_MS)
        page.reload()
        expect(page.locator("#lists .panel").first).to_be_visible(timeout=_PATIENCE_MS)
        other = browser.new_page()
        other.goto(f"{address}/#user-1")
        expect(other.get_by_label("Token", exact=True)).to_be_visible(timeout=_PATIENCE_MS)
        expect(other.locator("#lists .panel")).to_have_count(0)
        for one in (page, other):
            one.close()


def test_a_read_only_console_only_looks(browser: Browser, state: StackState) -> None:
    """It shows the lists and why, has no button that sends anything, and looking makes no impressions."""
    with read_only(state) as address:
        _only_looks(browser, state, address)


def _only_looks(browser: Browser, state: StackState, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/#watched")
    expect(page.locator("#lists .panel").first).to_be_visible(timeout=_PATIENCE_MS)
    expect(page.get_by_text("read-only")).to_be_visible()
    expect(page.get_by_role("button", name="New user")).to_be_hidden()
    assert set(page.locator(".actions button").all_inner_texts()) == {"why?"}
    page.wait_for_timeout(1000)  # in which impressions, if there were any, would reach the log before what follows
    with event_producer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer:
        event = Event(user_id="watched", item_id="item-1")
        event.click.SetInParent()
        producer.send(event)
        producer.flush(raise_on_failure=True)
    deadline = time.monotonic() + 60.0
    while "Last engaged with" not in page.locator("#features").inner_text():
        assert time.monotonic() < deadline, "the click was not folded"
        page.reload()
        expect(page.locator("#features")).to_contain_text("of watched", timeout=_PATIENCE_MS)
    impressions = page.locator("#features tr", has_text="impressions").locator("td").all_inner_texts()
    assert set(impressions) == {"0.00"}
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_it_fits_the_screen_and_its_controls_have_names(
    browser: Browser, state: StackState, size: tuple[int, int], scheme: str
) -> None:
    """No sideways scrolling on a phone or a desk, light or dark; every control says to a screen reader what it is."""
    for page in _opened(browser, state, size, scheme):
        wide, screen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= screen
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, input')].filter("
            "one => !(one.ariaLabel || one.textContent.trim() || one.labels?.length)).map(one => one.outerHTML)"
        )
        assert nameless == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(16, 21, 28)") == (scheme == "dark")
