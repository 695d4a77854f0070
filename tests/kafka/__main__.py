"""Command that runs another one against a node of Apache Kafka: `python -m tests.kafka pytest tests/streams`.

`python -m tests.kafka --version` says which version was found, or ends with 1 and says what is missing.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.drills.kafka import ApacheKafka, KafkaMissingError, find_kafka


def main() -> None:
    """Runs the command that is given with the node's address in HEADWATER_TEST_BOOTSTRAP, and ends with its status."""
    if not sys.argv[1:]:
        sys.exit("give a command, such as: python -m tests.kafka .venv/bin/pytest -q -n0 tests/streams")
    try:
        if sys.argv[1:] == ["--version"]:
            print(f"Apache Kafka {find_kafka().version}")
            return
        with tempfile.TemporaryDirectory() as directory, ApacheKafka(Path(directory)) as cluster:
            environment = {**os.environ, "HEADWATER_TEST_BOOTSTRAP": cluster.bootstrap_servers}
            status = subprocess.run(sys.argv[1:], env=environment, check=False).returncode
    except KafkaMissingError as error:
        sys.exit(str(error))
    sys.exit(status)


if __name__ == "__main__":
    main()
