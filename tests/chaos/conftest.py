"""Chaos runs on the same brokers and stores as the tests of the workers."""

from tests.streams.conftest import broker, store_settings  # noqa: F401  fixtures, which pytest finds by their names
