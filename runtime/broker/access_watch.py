"""A thread that asks the broker every few seconds whether this process may still do its work."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from kafka.errors import KafkaError

from headwater.v1.topics import ALL_TOPICS, Topic
from runtime.broker.access import AdminClient, access_error, missing_rights
from runtime.broker.errors import BrokerError, UnreachableError
from runtime.broker.login import diagnose
from runtime.broker.rights import Right
from runtime.broker.topic_config import topic_configs
from runtime.settings import KafkaSettings
from runtime.supervisor import StartThread, start_thread
from runtime.topics import why_refused

__all__ = ["AccessWatch"]

_log = structlog.get_logger(__name__)
_EVERY_SECONDS = 3.0
_REQUEST_MS = 5_000
_STOP_SECONDS = 1.0
_SILENT_SECONDS = 10.0
_TOPICS = {topic.name: topic for topic in ALL_TOPICS}


class AccessWatch:
    """Knows why the broker refuses this process: its login, rights that it lacks, or topics that would lose records.

    The clients do not tell: a consumer that may not read its topic or join its group waits in silence, and a connection that was
    made before the password changed goes on. An unreachable broker is none of this: then the last answer holds, and `silence`
    says so.
    """

    def __init__(self, kafka: KafkaSettings, rights: Iterable[Right], *, every_seconds: float = _EVERY_SECONDS) -> None:
        self._kafka, self._every = kafka, every_seconds
        rights = tuple(rights)
        self._rights = [right for right in rights if not right.optional]
        self._optional = [right for right in rights if right.optional]
        self._topics: list[Topic] = [_TOPICS[name] for name in dict.fromkeys(one.name for one in self._optional)]
        self._problem: str | None = None
        self._admin: AdminClient | None = None
        self.reached = False
        """Whether a broker has ever answered, if only with a refusal."""
        self._answered = False
        self._served_at = time.monotonic()
        self._asking, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def problem(self) -> str | None:
        """Why the broker refuses this process, with principal, resource and operation; None if it does not, or is unreachable."""
        return self._problem

    @property
    def silent_seconds(self) -> float:
        """Time since a broker last answered and refused nothing; since the start where none ever did."""
        return time.monotonic() - self._served_at

    @property
    def silence(self) -> str | None:
        """That no broker answers, as text; None where one did in the last ten seconds, or refuses this process."""
        seconds = self.silent_seconds
        if self._problem is not None or seconds <= _SILENT_SECONDS:
            return None
        return f"no broker for {seconds:.0f} s at {self._kafka.bootstrap_servers}"

    def look(self) -> str | None:
        """Asks now, from the thread that calls; returns `problem`."""
        with self._asking:
            before, self._problem = self._problem, self._ask(self._missing, otherwise=self._problem)
            if self._answered:
                self.reached = True
                self._served_at = self._served_at if self._problem else time.monotonic()
        if self._problem is not None and self._problem != before:
            _log.error("broker_refuses", error=self._problem)
        elif before is not None and self._problem is None:
            _log.info("broker_allows_again")
        return self._problem

    def refused_topics(self) -> str | None:
        """Why a topic would lose records as it is configured; None where none would, or the broker does not tell."""
        with self._asking:
            refused = self._ask(self._refused_topics)
        if refused is not None:
            _log.error("topics_refused", error=refused)
        return refused

    def start(self, thread: StartThread = start_thread) -> None:
        self._thread = thread("access-watch", self._run)

    def stop(self) -> None:
        """Ends it; a request that the broker leaves open is left to time out."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
        if self._thread is None or not self._thread.is_alive():
            self._disconnect()

    def _run(self) -> None:
        self.look()
        while not self._stop.wait(self._every):
            self.look()

    def _ask(self, question: Callable[[AdminClient], str | None], *, otherwise: str | None = None) -> str | None:
        """The answer; `otherwise` where no broker gives one."""
        try:
            self._admin = self._admin or self._connect()
            self._answered = True
            return question(self._admin)
        except UnreachableError:
            self._answered = False
            return otherwise
        except BrokerError as error:  # one that refuses has answered
            self._answered = True
            return str(error)
        except KafkaError:
            self._disconnect()
            problem = diagnose(self._kafka)  # to the clients a failed login looks like an unreachable broker
            self._answered = not isinstance(problem, UnreachableError)
            return otherwise if problem is None or not self._answered else str(problem)

    def _connect(self) -> AdminClient:
        if (problem := diagnose(self._kafka)) is not None:
            raise problem
        options: dict[str, Any] = self._kafka.client_options()
        return AdminClient(request_timeout_ms=_REQUEST_MS, bootstrap_timeout_ms=_REQUEST_MS, **options)

    def _disconnect(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _missing(self, admin: AdminClient) -> str | None:
        missing = missing_rights(admin, self._rights)
        return str(access_error(self._kafka, missing)) if missing else None

    def _refused_topics(self, admin: AdminClient) -> str | None:
        if unseen := missing_rights(admin, self._optional):
            _log.warning("topic_configuration_not_checked", error=str(access_error(self._kafka, unseen)))
        return why_refused(self._kafka, topic_configs(admin, [topic.name for topic in self._topics]), self._topics)
