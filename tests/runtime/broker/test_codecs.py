"""Decompression within a bound: what either client writes is read, and nothing becomes larger than allowed."""

import os
import tracemalloc
from types import ModuleType

import aiokafka.codec
import kafka.codec
import pytest

from runtime.broker.codecs import CODECS, UnreadableError, decompress

PLAIN = (b"of which much comes again and again " * 1000 + os.urandom(2000)) * 100


def _written(writer: ModuleType, codec: str, plain: bytes) -> bytes:
    return bytes(getattr(writer, f"{codec}_encode")(plain))


@pytest.mark.parametrize("writer", [aiokafka.codec, kafka.codec])
@pytest.mark.parametrize("codec", CODECS[1:])
def test_what_a_client_compresses_is_read_up_to_the_bound(codec: str, writer: ModuleType) -> None:
    """Several MiB; one byte more than the bound is too many."""
    packed = _written(writer, codec, PLAIN)
    assert decompress(codec, packed, len(PLAIN)) == PLAIN
    with pytest.raises(UnreadableError, match="decompress"):
        decompress(codec, packed, len(PLAIN) - 1)


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_bomb_takes_no_more_memory_than_the_bound(codec: str) -> None:
    """128 MiB of zeros with a bound of 1 MiB."""
    bomb = _written(aiokafka.codec, codec, bytes(128 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match="decompress"):
            decompress(codec, bomb, 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("payload", [b"\x00\xff" * 40, b"\x01", b"\xff" * 10])
@pytest.mark.parametrize("codec", CODECS[1:])
def test_what_is_not_of_the_codec_is_refused(codec: str, payload: bytes) -> None:
    """Whatever library finds it out."""
    with pytest.raises(UnreadableError, match=f"are not {codec}|decompresses to"):
        decompress(codec, payload, 1 << 20)


def test_streams_of_several_parts_are_read_whole() -> None:
    """Producers may write a gzip of several members, a zstd of several frames."""
    for codec in ("gzip", "zstd"):
        assert decompress(codec, _written(kafka.codec, codec, b"one") + _written(kafka.codec, codec, b"two"), 6) == b"onetwo"
