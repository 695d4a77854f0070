"""Decompression of record batches within a bound: a megabyte on the wire may stand for gigabytes."""

import zlib

import cramjam
import lz4.frame
import zstandard

__all__ = ["CODECS", "UnreadableError", "decompress"]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
"""As the lowest three bits of a batch's attributes number them, and as producers are told."""

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEAD = 16  # magic, version and the oldest version that reads it; then blocks, each behind its length in four bytes
_LARGEST_WINDOW = 1 << 27  # bytes; what zstd itself takes unless told otherwise


class UnreadableError(ValueError):
    """A batch that does not decompress, or not within the bound; the message says which."""


def decompress(codec: str, payload: bytes, limit: int) -> bytes:
    """The plain bytes; never holds many more than `limit` of them.

    Raises:
        UnreadableError: they are more than `limit`, or the payload is not of this codec.

    >>> decompress("gzip", zlib.compress(b"abc", wbits=31), limit=3)
    b'abc'
    """
    try:
        plain = _READERS[codec](payload, limit)
    except (zlib.error, cramjam.DecompressionError, RuntimeError, EOFError, zstandard.ZstdError, IndexError) as error:
        raise UnreadableError(f"its {len(payload):,} bytes are not {codec}: {error}") from error
    if len(plain) > limit:
        raise UnreadableError(f"its {len(payload):,} bytes of {codec} decompress to more than {limit:,}")
    return plain


def _gzip(payload: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    rest, room = payload, limit + 1
    while rest and room > 0:  # a stream may have several members
        member = zlib.decompressobj(wbits=31)
        parts.append(member.decompress(rest, room))
        room -= len(parts[-1])
        if room > 0 and not member.eof:
            raise EOFError("it ends too early")
        rest = member.unused_data
    return b"".join(parts)


def _snappy(payload: bytes, limit: int) -> bytes:
    if not payload.startswith(_XERIAL):
        return _snappy_block(payload, limit)
    parts: list[bytes] = []
    at, room = _XERIAL_HEAD, limit
    while at < len(payload):
        start, at = at + 4, at + 4 + int.from_bytes(payload[at : at + 4])
        parts.append(_snappy_block(payload[start:at], room))
        room -= len(parts[-1])
    return b"".join(parts)


def _snappy_block(block: bytes, limit: int) -> bytes:
    size = at = 0
    while True:  # the length of what it holds, seven bits a byte, the lowest first
        size |= (block[at] & 0x7F) << (7 * at)
        if block[at] < 0x80:
            break
        at += 1
    if size > limit:
        raise UnreadableError(f"a block of {len(block):,} bytes of snappy decompresses to {size:,}, {limit:,} are left")
    return bytes(cramjam.snappy.decompress_raw(block))


def _lz4(payload: bytes, limit: int) -> bytes:
    frame = lz4.frame.LZ4FrameDecompressor()
    plain: bytes = frame.decompress(payload, limit + 1)
    if len(plain) <= limit and not frame.eof:
        raise EOFError("it ends too early")
    return plain


def _zstd(payload: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    with decompressor.stream_reader(payload, read_across_frames=True) as reader:
        return reader.read(limit + 1)


_READERS = {"gzip": _gzip, "snappy": _snappy, "lz4": _lz4, "zstd": _zstd}
