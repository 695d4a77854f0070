"""Faust app of one consumer group."""

import tempfile
from typing import Any

import faust

from runtime.settings import KafkaSettings
from streams.settings import WorkerSettings

__all__ = ["faust_app"]

_METADATA_MS = 30_000  # new partitions are read no later than this; aiokafka's own 5 minutes are too long


def faust_app(name: str, *, kafka: KafkaSettings, settings: WorkerSettings, buffered: int) -> Any:
    """An app whose group is `name`: no tables, no web server, no topics of its own; `buffered` messages wait for its agent."""
    return faust.App(
        name,
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(kafka),
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 4,
        broker_commit_interval=settings.commit_interval_seconds,
        consumer_auto_offset_reset="none",  # what retention deleted is reported, not skipped
        consumer_metadata_max_age_ms=_METADATA_MS,
        stream_buffer_maxsize=buffered,
        stream_wait_empty=False,  # what is not finished is read again; waiting for it would hold up the whole group
        store="memory://",
        datadir=tempfile.mkdtemp(prefix=f"{name}-"),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        loghandlers=[],
    )


def _credentials(kafka: KafkaSettings) -> Any:
    options: dict[str, Any] = kafka.aiokafka_options()
    context = options.get("ssl_context")
    if "sasl_oauth_token_provider" in options:
        return faust.OAuthCredentials(oauth_cb=options["sasl_oauth_token_provider"], ssl_context=context)
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
