"""Logging configuration of the processes: events with key-values, as logfmt or JSON lines."""

import logging
import sys
from typing import Literal

import structlog
from pydantic_settings import BaseSettings

from runtime.settings import shown

__all__ = ["configure_logging", "log_settings"]


def configure_logging(form: Literal["logfmt", "json"] = "logfmt") -> None:
    """Logs events on standard error; messages of other libraries from errors up."""
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logfmt = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            logfmt if form == "logfmt" else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def log_settings(*settings: BaseSettings) -> None:
    """Logs the settings in force, one event a section, with secrets masked."""
    for one in settings:
        values = {name: str(value) for name, value in shown(one).items()}
        structlog.get_logger(__name__).info("settings", section=type(one).__name__, **values)
