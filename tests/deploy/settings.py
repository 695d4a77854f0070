"""List of all environment variables that the processes read, taken from their settings."""

from collections.abc import Iterator

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from deploy.console.settings import ConsoleSettings
from feature_repo.settings import FeatureSettings, StoreSettings
from runtime.settings import KafkaSettings
from runtime.tracing import TracingSettings
from serving.settings import ServerSettings
from streams.learning.settings import ChallengerSettings, LearnerSettings
from streams.settings import CatalogueSettings, WorkerSettings
from training.encoding.settings import EncoderSettings

__all__ = ["PROCESSES", "variables", "variables_of"]

_ALL = (FeatureSettings, KafkaSettings, StoreSettings)

_LEARNER = (WorkerSettings, LearnerSettings, ChallengerSettings, EncoderSettings, FeatureSettings, KafkaSettings)

PROCESSES: dict[str, tuple[type[BaseSettings], ...]] = {
    "server": (ServerSettings, EncoderSettings, *_ALL, TracingSettings),
    "features": (WorkerSettings, EncoderSettings, *_ALL, TracingSettings),
    "catalogue": (WorkerSettings, CatalogueSettings, EncoderSettings, *_ALL),
    "console": (ConsoleSettings, *_ALL),
    "learner": (*_LEARNER, TracingSettings),
}
"""Settings that each process reads."""


def variables() -> set[str]:
    """Names of all variables of all processes."""
    return {name for process in PROCESSES for name in variables_of(process)}


def variables_of(process: str) -> set[str]:
    """Names of the variables that one process reads."""
    return {name for settings in PROCESSES[process] for name in _names(settings)}


def _names(settings: type[BaseSettings]) -> Iterator[str]:
    prefix = str(settings.model_config.get("env_prefix", ""))
    for field, info in settings.model_fields.items():
        alias = info.validation_alias
        if isinstance(alias, AliasChoices):
            yield from (str(choice) for choice in alias.choices)
        elif alias is not None:
            yield str(alias)
        else:
            yield prefix + field.upper()
