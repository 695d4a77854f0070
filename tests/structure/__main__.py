"""Prints packages, floors and circles of the sources: `python -m tests.structure`."""

from tests.structure.rooms import report

if __name__ == "__main__":
    report(print)
