"""Client tokens: a file of hashed tokens, each with scopes, an expiry and a rate limit.

The file is TOML, one table a client; `headwater token` makes the table and shows the token once:

    [clients.web]
    sha256 = "9b8769a4a742959a2d0298c36fb70623f2a4a1bdc4b1f4c1b6a8f2b1f6f0f7a1"
    scopes = ["score"]
    expires = 2027-06-30T00:00:00Z
    requests_per_second = 200
"""

import hashlib
import secrets
import stat
import tomllib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

import msgspec
import structlog

from runtime.errors import UserError

__all__ = ["GRANTED", "SCOPES", "Caller", "Scope", "TokenFile", "TokensError", "new_token", "parse_clients"]

Scope = Literal["score", "ingest", "impressions", "erase", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
GRANTED: ContextVar[frozenset[Scope] | None] = ContextVar("granted", default=None)
"""The scopes of the call that is being answered; None where the server has no tokens file."""

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 1.0
_OTHERS = stat.S_IROTH | stat.S_IWOTH


class TokensError(UserError, ValueError):
    """A tokens file that cannot be used; the message says which and why, and never quotes a hash."""


class Caller(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One client. Tokens are long and random, so that one round of SHA-256 keeps them; a password would need more."""

    sha256: str
    scopes: frozenset[Scope]
    expires: datetime
    requests_per_second: float | None = None
    """At most, by each server process; a second's worth may come at once. Without limit where absent."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    clients: dict[str, Caller]


def new_token() -> tuple[str, str]:
    """A token of 256 random bits, and its SHA-256 in hexadecimal."""
    token = f"hw_{secrets.token_urlsafe(32)}"
    return token, hash_of(token)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def parse_clients(text: str, *, source: str) -> Mapping[str, tuple[str, Caller]]:
    """Name and client by hash.

    Raises:
        TokensError: the text is not TOML, a key is unknown, a value does not fit, or two clients share a token.
    """
    try:
        clients = msgspec.convert(tomllib.loads(text), _File).clients
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise TokensError(f"{source}: {error}. Make a client's table with `headwater token`") from error
    by_hash: dict[str, tuple[str, Caller]] = {}
    for name, client in clients.items():
        if len(client.sha256) != 64 or client.sha256.strip("0123456789abcdef"):
            raise TokensError(f"{source}: clients.{name}: sha256 must be 64 hexadecimal digits in lower case")
        if client.expires.tzinfo is None:
            raise TokensError(f"{source}: clients.{name}: expires needs a time zone, such as 2027-06-30T00:00:00Z")
        if client.requests_per_second is not None and not client.requests_per_second > 0.0:
            raise TokensError(f"{source}: clients.{name}: requests_per_second must be above 0; leave it out for no limit")
        if client.sha256 in by_hash:
            raise TokensError(f"{source}: clients.{name} has the token of clients.{by_hash[client.sha256][0]}; give it its own")
        by_hash[client.sha256] = name, client
    return by_hash


class TokenFile:
    """The clients of a file, read again when it changes; a file that became unusable leaves the last good one in force."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float]) -> None:
        self._path = path
        self._monotonic = monotonic
        self._stamp, self._clients = self._read()
        self._looked_at = monotonic()

    def find(self, token: str) -> tuple[str, Caller] | None:
        """The client that holds the token, by name; None for a token that nobody has."""
        if self._monotonic() - self._looked_at > _LOOK_SECONDS:
            self._looked_at = self._monotonic()
            self._refresh()
        return self._clients.get(hash_of(token))

    def _refresh(self) -> None:
        try:
            if self._path.stat().st_mtime_ns != self._stamp:
                self._stamp, self._clients = self._read()
                _log.info("tokens_read", clients=len(self._clients))
        except (OSError, TokensError) as error:
            _log.error("tokens_not_read", error=str(error), still_in_force=len(self._clients))

    def _read(self) -> tuple[int, Mapping[str, tuple[str, Caller]]]:
        try:
            status = self._path.stat()
            if status.st_mode & _OTHERS:
                mode = f"mode {status.st_mode & 0o777:o}"
                raise TokensError(f"{self._path}: every user of this machine may read or write it ({mode}): chmod 640 or less")
            stamp = status.st_mtime_ns
            return stamp, parse_clients(self._path.read_text(encoding="utf-8"), source=str(self._path))
        except OSError as error:
            raise TokensError(f"{self._path}: cannot be read ({error.strerror}); see HEADWATER_SERVER_TOKENS_FILE") from error
