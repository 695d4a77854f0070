"""Listening address of the server: plaintext, TLS, or mutual TLS."""

from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from runtime.errors import UserError

__all__ = ["TlsError", "TlsFiles", "listen"]

_log = structlog.get_logger(__name__)


class TlsError(UserError, ValueError):
    """Certificates that cannot be read; the message names the file and the settings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsFiles:
    """PEM files: the server's certificate chain and key, and for mutual TLS the authority that clients' certificates are of."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def listen(server: grpc.aio.Server, address: str, tls: TlsFiles | None) -> int:
    """Opens the port of `address`, host:port, and returns its number; port 0 takes a free one.

    Certificates are read again at the first handshake after their files change, so that renewing them needs no restart.

    Raises:
        TlsError: a file cannot be read.
        RuntimeError: the port is taken.
    """
    if tls is None:
        return int(server.add_insecure_port(address))
    held = _Certificates(tls)
    mutual = tls.client_ca is not None
    credentials = grpc.dynamic_ssl_server_credentials(
        held.read(),
        held.renewed,  # type: ignore[arg-type]  # may return None, which the stubs do not know
        require_client_authentication=mutual,
    )
    return int(server.add_secure_port(address, credentials))


class _Certificates:
    """Reads the files, and knows when they have changed."""

    def __init__(self, tls: TlsFiles) -> None:
        self._paths = [path for path in (tls.key, tls.certificate, tls.client_ca) if path is not None]
        self._read_at: list[int] = []

    def read(self) -> "grpc.ServerCertificateConfiguration":
        """Raises TlsError."""
        try:
            self._read_at = self._changed_at()
            key, chain, *client_ca = [path.read_bytes() for path in self._paths]
        except OSError as error:
            raise TlsError(f"{error.filename}: cannot be read ({error.strerror}); see HEADWATER_SERVER_TLS_*") from error
        return grpc.ssl_server_certificate_configuration([(key, chain)], client_ca[0] if client_ca else None)

    def renewed(self) -> "grpc.ServerCertificateConfiguration | None":
        """Asked by gRPC at each handshake; None where nothing has changed, or where what changed cannot be read."""
        try:
            if self._changed_at() == self._read_at:
                return None
            configuration = self.read()
        except (OSError, TlsError) as error:
            _log.error("certificates_not_renewed", error=str(error))
            return None
        _log.info("certificates_renewed")
        return configuration

    def _changed_at(self) -> list[int]:
        return [path.stat().st_mtime_ns for path in self._paths]
