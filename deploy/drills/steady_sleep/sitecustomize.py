"""Lets Python sleep where libfaketime is loaded, which refuses deadlines on the monotonic clock if it leaves that clock true.

Python imports it at its start from the path that `deploy.drills.clock.clock_environment` gives.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    select.select((), (), (), float(seconds))


time.sleep = _sleep
