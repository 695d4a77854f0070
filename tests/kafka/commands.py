"""The command line in this process: one command against a cluster, with what it printed and its exit status."""

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from deploy.cli import main
from runtime.settings import KafkaSettings

__all__ = ["Done", "environment_of", "headwater"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What became of a command."""

    status: int
    printed: str
    error: str


def environment_of(kafka: KafkaSettings) -> dict[str, str]:
    """The variables that give a process this connection."""
    output = kafka.model_dump(exclude_none=True, exclude={"sasl_password"})
    if kafka.sasl_password is not None:
        output["sasl_password"] = kafka.sasl_password.get_secret_value()
    return {f"HEADWATER_KAFKA_{name.upper()}": str(value) for name, value in output.items()}


def headwater(kafka: KafkaSettings, *arguments: str) -> Done:
    """Runs a command with the connection in its environment."""
    printed, error = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment_of(kafka) | {"COLUMNS": "150"}),
        patch.object(sys, "argv", ["headwater", *arguments]),
        redirect_stdout(printed),
        redirect_stderr(error),
    ):
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        else:
            status = 0
    return Done(status=status, printed=printed.getvalue(), error=error.getvalue())
