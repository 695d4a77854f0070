"""Tokens for SASL OAUTHBEARER: the function that a setting names, as each client library wants it."""

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

from kafka.net.sasl.oauth import AbstractTokenProvider

from runtime.broker.errors import LoginError

__all__ = ["TokenProvider", "aiokafka_provider", "token_source"]

_SETTING = "HEADWATER_KAFKA_SASL_OAUTH_CALLBACK"


def token_source(path: str) -> Callable[[], str]:
    """The function that `module:function` names, guarded: what it raises, and what is no token, becomes a LoginError."""
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (AttributeError, ImportError, ValueError) as error:
        raise LoginError(
            f"{_SETTING}={path} cannot be imported ({error}): name a function as module:function, of a module on PYTHONPATH"
        ) from error

    def token() -> str:
        try:
            made = function()
        except Exception as error:
            raise LoginError(f"{_SETTING}={path} gave no token: {error!r}") from error
        if not isinstance(made, str) or not made:
            raise LoginError(f"{_SETTING}={path} returned {type(made).__name__} in place of the token's text")
        return made

    return token


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    """What kafka-python asks at each login; it looks no further than this class."""

    def __init__(self, token: Callable[[], str]) -> None:
        super().__init__()
        self._token = token

    def token(self) -> str:
        return self._token()


def aiokafka_provider(token: Callable[[], str]) -> Any:
    """What aiokafka asks at each login. The function runs in a thread, since it may call another service."""
    from aiokafka.abc import AbstractTokenProvider as AsyncTokenProvider  # a producer host has kafka-python only
    from aiokafka.errors import AuthenticationFailedError

    class Provider(AsyncTokenProvider):  # type: ignore[misc]  # aiokafka's is untyped
        async def token(self) -> str:
            try:
                return await asyncio.to_thread(token)
            except LoginError as error:
                raise AuthenticationFailedError(str(error)) from error  # of the tree that aiokafka catches

    return Provider()
