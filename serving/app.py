"""Composition of the server process: what it is made of, and in which order that starts and stops."""

import asyncio
import time

import grpc
import structlog
import torch
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from threadpoolctl import threadpool_limits

from feature_repo.items.mirror import ItemMirror
from feature_repo.items.shared_memory import ItemSharedMemory
from feature_repo.items.table import ItemTable
from feature_repo.settings import FeatureSettings, StoreSettings
from feature_repo.vocabulary import Vocabulary
from runtime.broker.access_watch import AccessWatch
from runtime.broker.rights import PROCESSES
from runtime.health import Pulse
from runtime.probes import Probes
from runtime.settings import KafkaSettings
from runtime.supervisor import BackgroundFailure, Supervisor
from runtime.tracing import Traces
from serving.admission import Admission
from serving.api.auth import Access
from serving.api.listener import TlsFiles, listen
from serving.api.reflection import add_reflection
from serving.api.servicer import MAX_MESSAGE_BYTES, SERVICE, Servicer
from serving.api.tokens import TokenFile
from serving.api.validation import Limits
from serving.events import EventLog, EventRecorder, ImpressionWriter
from serving.explain import Explainer
from serving.inference.context import ContextEncoder
from serving.inference.models import ModelWatcher, ServedModel
from serving.inference.queue import ScoringQueue
from serving.metrics import ServerMetrics
from serving.pipeline import Pipeline
from serving.ranking.ranker import Ranker
from serving.retrieval.facets import ItemFacets
from serving.retrieval.index import CatalogueIndex
from serving.settings import ServerSettings
from serving.users import UserReader
from training.encoding.encoder import TextEncoder
from training.encoding.settings import EncoderSettings
from training.storage.snapshots import SnapshotStore

__all__ = ["SERVICE", "Application"]

_log = structlog.get_logger(__name__)

_READY_WAIT_SECONDS = 2.0
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # clients keep idle connections alive
    # Beyond 1,000 calls that were not looked at yet gRPC drops some, as cancelled; ours are refused with a reason.
    ("grpc.server.max_pending_requests", 10_000),
    ("grpc.server.max_pending_requests_hard_limit", 30_000),
)


class Application:
    """The server: answers from the moment it has started, degraded; reports SERVING when the catalogue is read."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        features: FeatureSettings,
        kafka: KafkaSettings,
        store: StoreSettings,
        encoding: EncoderSettings,
        traces: Traces | None = None,
        shared: ItemSharedMemory | None = None,
    ) -> None:
        self._settings = settings
        self._traces = traces or Traces()
        vocabulary = features.vocabulary()
        torch.set_num_threads(settings.compute_threads)
        # NumPy's BLAS takes all cores by default, and its threads spin: on two cores that made assembling four times slower.
        threadpool_limits(settings.compute_threads, user_api="blas")
        encoder = TextEncoder(encoding.items())  # never loaded here: what made the vectors that others publish
        table = ItemTable(vocabulary, dimensions=encoder.dimension, shared=shared)
        self._index = CatalogueIndex(table, clock=time.time)
        self.metrics = ServerMetrics()
        self._supervisor = Supervisor(self.metrics.background_failures, failed=self._fail)
        self._mirror = ItemMirror(table, kafka, encoder_version=encoder.version, foreign_ratio=features.encoder_mismatch_ratio)
        self._log = EventLog(kafka)
        self._broker = AccessWatch(kafka, PROCESSES["server"])
        self._impressions = ImpressionWriter(
            self._log,
            vocabulary.fingerprint,
            capacity=settings.impression_queue,
            dropped=self.metrics.impressions_dropped.inc,
        )
        self._users = UserReader.of(store, vocabulary, timeout_seconds=settings.store_timeout_seconds)
        self._contexts = ContextEncoder(TextEncoder(encoding.queries()), timeout_seconds=settings.context_timeout_seconds)
        self._models = ModelWatcher(
            SnapshotStore(settings.snapshot_dir, clock=time.time),
            vocabulary,
            dimensions=encoder.dimension,
            encoder_version=encoder.version,
            poll_seconds=settings.snapshot_poll_seconds,
            swapped=self._follow_model,
            rejected=self.metrics.snapshots_rejected.inc,
        )
        self._admission = Admission(
            max_in_flight=settings.max_in_flight,
            workers=settings.scoring_threads,
        )
        self._queue = ScoringQueue(settings.scoring_threads)
        self._servicer = self._answering(table, vocabulary)
        self.metrics.catalogue_items.set_function(lambda: int(table.live.sum()))
        self._mirror.on_skipped(self.metrics.item_records_skipped.inc)
        self.metrics.broker_silent.set_function(lambda: self._broker.silent_seconds)
        self.metrics.mirror_lag.set_function(lambda: self._mirror.lag_records)
        self.metrics.encoder_mismatches.set_function(lambda: self._mirror.encoder_mismatches)
        self._interceptors = self._access()
        self._serving = False
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it
        self._pulse = Pulse()
        self._probes = Probes(
            settings.host,
            settings.metrics_port,
            registry=self.metrics.registry,
            checks={
                "/healthz": lambda: self._broker.problem or self._broker.silence or self._unready(),
                "/readyz": self._unready,
                "/livez": self._unalive,
            },
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed = asyncio.Event()
        self._grpc: grpc.aio.Server | None = None
        self.address = ""
        """host:port of gRPC, once started."""
        self.metrics_port = self._probes.port

    async def start(self) -> None:
        """Starts everything; returns as soon as requests are taken."""
        supervisor, self._loop = self._supervisor, asyncio.get_running_loop()
        supervisor.task("pulse", self._pulse.beat)
        self._probes.start(supervisor.thread)
        self._broker.start(supervisor.thread)
        self._index.start(supervisor.thread)
        self._mirror.start(supervisor.thread)
        self._log.start(supervisor.task)
        self._impressions.start(supervisor.task)
        await self._models.refresh()
        self._grpc = grpc.aio.server(interceptors=self._interceptors, options=_OPTIONS)
        self._servicer.add_to(self._grpc)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        if self._settings.reflection:
            add_reflection((SERVICE, health.SERVICE_NAME), self._grpc)
        await self._set_health(serving=False)
        host = self._settings.host
        port = listen(self._grpc, f"{host}:{self._settings.port}", self._tls())
        await self._grpc.start()
        self.address = f"{host}:{port}"
        self._tasks = [
            supervisor.task("models", self._models.watch),
            supervisor.task("warm-encoder", self._contexts.warm, once=True),
            supervisor.task("ready", self._become_ready, once=True),
            supervisor.task("topics", self._look_at_topics, once=True),
        ]
        _log.info("server_started", address=self.address, metrics_port=self.metrics_port)

    async def failure(self) -> BackgroundFailure:
        """Returns once a part in the background cannot be cured: the server must stop."""
        await self._failed.wait()
        assert self._supervisor.failure is not None
        return self._supervisor.failure

    async def stop(self) -> None:
        """Tells callers to go elsewhere, lets requests in flight end, writes the impressions that wait, closes the rest.

        The notice is what spares requests: gRPC cancels those that arrive in the very moment in which it closes.
        """
        _log.info("server_draining", notice_seconds=self._settings.drain_notice_seconds, seconds=self._settings.drain_seconds)
        self._supervisor.release()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._set_health(serving=False)
        await asyncio.sleep(self._settings.drain_notice_seconds)
        if self._grpc is not None:
            await self._grpc.stop(self._settings.drain_seconds)
        self._queue.shutdown(wait=False, cancel_futures=True)
        self._contexts.close()
        self._users.close()
        await self._impressions.stop(self._settings.drain_seconds)
        await self._log.stop()
        await asyncio.to_thread(self._mirror.stop)
        await asyncio.to_thread(self._broker.stop)
        await asyncio.to_thread(self._index.stop)
        await asyncio.to_thread(self._probes.stop)
        await asyncio.to_thread(self._traces.stop)
        await self._supervisor.stop()  # the pulse with it: while it drains, too, it is alive
        _log.info("server_stopped")

    def _answering(self, table: ItemTable, vocabulary: Vocabulary) -> Servicer:
        limits = Limits(
            tasks=vocabulary.tasks,
            max_candidates=self._settings.max_candidates,
            candidate_pool=self._settings.candidate_pool,
            max_events=self._settings.max_events,
            max_context_characters=self._settings.max_context_characters,
        )
        pipeline = Pipeline(
            table=table,
            ranker=Ranker(table, ItemFacets(table), self._index, pool=self._settings.candidate_pool),
            users=self._users,
            contexts=self._contexts,
            model=self._models.current,
            shown=self._impressions.offer,
            limits=limits,
            queue=self._queue,
        )
        explainer = Explainer(table=table, users=self._users, model=self._models.current, limits=limits, threads=self._queue)
        return Servicer(
            pipeline,
            explainer,
            EventRecorder(self._log),
            self.metrics,
            limits=limits,
            admission=self._admission,
            default_deadline_seconds=self._settings.default_deadline_seconds,
            by_token=self._settings.tokens_file is not None,
            retry_bytes=self._settings.retry_megabytes * 2**20,
            traces=self._traces,
        )

    def _access(self) -> list[Access]:
        if self._settings.tokens_file is None:
            return []
        tokens = TokenFile(self._settings.tokens_file, monotonic=time.monotonic)
        return [Access(tokens, refused=self.metrics.refuse, clock=time.time, monotonic=time.monotonic)]

    def _tls(self) -> TlsFiles | None:
        settings = self._settings
        if settings.tls_certificate is None or settings.tls_key is None:
            if settings.tokens_file is not None:
                _log.warning("tokens_travel_in_clear", detail="end TLS in front of this server, or set HEADWATER_SERVER_TLS_*")
            return None
        return TlsFiles(certificate=settings.tls_certificate, key=settings.tls_key, client_ca=settings.tls_client_ca)

    async def _become_ready(self) -> None:
        while not await asyncio.to_thread(self._mirror.wait_ready, _READY_WAIT_SECONDS):
            _log.info(
                "server_waits_for_catalogue",
                lag_records=self._mirror.lag_records,
                encoder_mismatches=self._mirror.encoder_mismatches,
                some_of_them=self._mirror.some_encoder_mismatches,
            )
        await self._set_health(serving=True)
        _log.info("server_ready", items=self._mirror.contents_applied)

    async def _look_at_topics(self) -> None:
        """Logs what is wrong with them; answers do not wait for it."""
        await asyncio.to_thread(self._broker.refused_topics)

    def _unready(self) -> str | None:
        if (problem := self._supervisor.problem()) is not None:
            return problem
        return None if self._serving and self._pulse.alive() else "not ready, or draining"

    def _unalive(self) -> str | None:
        if (failure := self._supervisor.failure) is not None:
            return str(failure)
        return None if self._pulse.alive() else "requests are stalled: restart the server"

    def _fail(self, failure: BackgroundFailure) -> None:
        assert self._loop is not None, "no part runs before the start"
        self._loop.call_soon_threadsafe(self._failed.set)

    async def _set_health(self, *, serving: bool) -> None:
        self._serving = serving
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in (health.OVERALL_HEALTH, SERVICE):
            await self._health.set(service, status)

    def _follow_model(self, model: ServedModel) -> None:
        self.metrics.follow_model(model.number, model.created_at)
