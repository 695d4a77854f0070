"""The broker and the stores that this package's tests share with those of the workers."""

from tests.streams.conftest import broker, store_settings

__all__ = ["broker", "store_settings"]
