"""Where calls go and what they carry: addresses, TLS, token, deadline, and gRPC's retries by method."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TypedDict

import grpc

__all__ = ["ClientOptions", "Target", "Tls"]

_SERVICE = "headwater.v1.RecommenderService"
_KEEPALIVE_MS = 30_000
_ATTEMPTS = 4
# A failed attempt costs a token and a success gives back a tenth; with half of them gone nothing is tried again.
_THROTTLING = {"maxTokens": 200, "tokenRatio": 0.1}
_RETRIED = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """PEM files: the authority of the server's certificate, and for mutual TLS the client's own certificate and key."""

    ca: Path | None = None
    """The system's authorities where absent."""
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""
    """The name in the server's certificate, where that is not the address that is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """How calls are made."""

    deadline_seconds: float = 1.0
    """Of a call that names none, its retries included; the server gives up then, too."""
    token: str = field(default="", repr=False)
    """Bearer token, where the server asks for one."""
    tls: Tls | None = None
    """In the clear where absent."""


class _Call(TypedDict):
    timeout: float
    metadata: tuple[tuple[str, str], ...]


class Target:
    """What both clients share."""

    def __init__(self, addresses: str | Sequence[str], options: ClientOptions) -> None:
        tls = options.tls
        self.address = _address([addresses] if isinstance(addresses, str) else addresses)
        self.credentials = None if tls is None else _credentials(tls)
        self.arguments: list[tuple[str, str | int]] = [
            ("grpc.service_config", json.dumps(_service_config())),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
        if tls is not None and tls.server_name:
            self.arguments.append(("grpc.ssl_target_name_override", tls.server_name))
        self._deadline = options.deadline_seconds
        self._metadata = (("authorization", f"Bearer {options.token}"),) if options.token else ()

    def call(self, deadline_seconds: float | None) -> _Call:
        """The arguments that every call has beside its request."""
        return {"timeout": self._deadline if deadline_seconds is None else deadline_seconds, "metadata": self._metadata}


def _service_config() -> dict[str, object]:
    """Retries, but none into an overload; health; round robin. https://github.com/grpc/grpc/blob/master/doc/service_config.md

    Every method may be retried: events carry their ids and lists a request_id.
    """
    policy = {
        "initialBackoff": "0.02s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 2,
        "maxAttempts": _ATTEMPTS,
        "retryableStatusCodes": _RETRIED,
    }
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": _SERVICE},
        "retryThrottling": _THROTTLING,
        "methodConfig": [{"name": [{"service": _SERVICE}], "retryPolicy": policy}],
    }


def _address(addresses: Sequence[str]) -> str:
    """gRPC's name for one host, or for several numeric addresses of one family.

    >>> _address(["10.0.0.1:50051", "10.0.0.2:50051"])
    'ipv4:10.0.0.1:50051,10.0.0.2:50051'
    """
    if len(addresses) == 1:
        return f"dns:///{addresses[0]}"
    try:
        families = {ip_address(address.rpartition(":")[0].strip("[]")).version for address in addresses}
        [family] = families
    except ValueError:
        raise ValueError(
            f"addresses: {', '.join(addresses) or 'none'}; give one host:port, or several numeric ones of one family, such as "
            "10.0.0.1:50051"
        ) from None
    return f"ipv{family}:{','.join(addresses)}"


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    ca, key, certificate = (None if path is None else path.read_bytes() for path in (tls.ca, tls.key, tls.certificate))
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=certificate)
