"""Real browser for tests: headless Chromium as the system has it, gone when the block ends."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

__all__ = ["running_browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser without pages; skips the test where none is installed."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium is installed; on Debian and Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        # The sandbox needs rights that root in a container does not have; the page is our own.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
