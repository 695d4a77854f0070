"""Record batches as any producer may write them: each codec, of any size, sound or not."""

import struct

import zstandard
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from runtime.broker.codecs import CODECS
from runtime.settings import KafkaSettings

__all__ = ["batch_of", "bomb_of", "send_batches"]

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC_FROM = 21  # the checksum is of all that follows it
_BLOCK = bytes(1 << 20)


def batch_of(codec: str, records: list[tuple[bytes | None, bytes | None]], *, at: int = 1000) -> bytes:
    """One batch of these keys and values, appended at `at` (Unix milliseconds)."""
    options = {"is_transactional": 0, "producer_id": -1, "producer_epoch": -1, "base_sequence": 0, "batch_size": 1 << 30}
    builder = DefaultRecordBatchBuilder(2, CODECS.index(codec), **options)
    for number, (key, value) in enumerate(records):
        builder.append(number, at, key=key, value=value, headers=[])
    return bytes(builder.build())


def bomb_of(mebibytes: int) -> bytes:
    """A batch of one record, whose value is so many mebibytes of zeros: a few kilobytes of zstd."""
    size = mebibytes << 20
    body = b"\x00\x00\x00" + _varint(1) + b"k" + _varint(size)  # attributes, differences of time and offset, key; then the value
    plain_bytes = len(body) + size + 1
    compressor = zstandard.ZstdCompressor().compressobj()
    parts = [compressor.compress(_varint(plain_bytes) + body)]
    parts += [compressor.compress(_BLOCK) for _ in range(mebibytes)]
    parts += [compressor.compress(b"\x00"), compressor.flush()]  # no headers
    payload = b"".join(parts)
    length = _HEADER.size - 12 + len(payload)
    head = _HEADER.pack(0, length, -1, 2, 0, CODECS.index("zstd"), 0, 1000, 1000, -1, -1, -1, 1)
    checksum = calc_crc32c(head[_CRC_FROM:] + payload)
    return head[: _CRC_FROM - 4] + struct.pack(">I", checksum) + head[_CRC_FROM:] + payload


async def send_batches(kafka: KafkaSettings, topic: str, batches: list[bytes], *, partition: int = 0) -> list[int]:
    """Writes batches as they are; returns the offset of the first record of each."""
    producer = AIOKafkaProducer(acks="all", max_request_size=1 << 30, **kafka.aiokafka_options())
    await producer.start()
    try:
        offsets = []
        for raw in batches:
            batch = producer.create_batch()
            batch.append(timestamp=0, key=b"", value=b"")
            batch.close()
            batch._buffer = raw  # what aiokafka would build of it; it makes none that are unsound
            offsets.append((await (await producer.send_batch(batch, topic, partition=partition))).offset)
        return offsets
    finally:
        await producer.stop()


def _varint(value: int) -> bytes:
    value, out = value << 1, bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
