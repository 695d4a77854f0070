"""The name under which the broker knows this process: whom its ACLs must allow."""

import base64
import json
import ssl
from pathlib import Path
from typing import Any

from runtime.settings import KafkaSettings

__all__ = ["principal"]

_ATTRIBUTES = {
    "commonName": "CN",
    "organizationalUnitName": "OU",
    "organizationName": "O",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""The short names of RFC 2253, which Kafka writes subjects with."""


def principal(kafka: KafkaSettings) -> str:
    """Such as `User:ann`, as brokers name it unless they are set to map names otherwise."""
    if not kafka.security_protocol.startswith("SASL"):
        return "User:ANONYMOUS" if kafka.ssl_certfile is None else f"User:{_subject(Path(kafka.ssl_certfile))}"
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return f"User:{_token_subject(kafka.oauth_token())}"
    return f"User:{kafka.sasl_username}"


def _subject(certificate: Path) -> str:
    """The certificate's subject, the most specific part first."""
    decoded: dict[str, Any] = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]  # Python has no other reader
    parts = [f"{_ATTRIBUTES.get(name, name)}={value}" for part in decoded["subject"] for name, value in part]
    return ",".join(reversed(parts))


def _token_subject(token: str) -> str:
    """The claim `sub` of a JSON Web Token; of an opaque token only the broker knows the owner."""
    try:
        payload = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])
    except (IndexError, KeyError, TypeError, ValueError):
        return "(the owner of the token)"
