"""The mean vector of a catalogue's texts: `python -m deploy.dataset.centre CATALOGUE OUT.npy`, set by HEADWATER_ENCODER*.

Vectors of decoders crowd around one direction that says nothing of the text; less their mean they spread out, and cosines tell
texts apart (Mu and Viswanath, 2018, All-but-the-Top, section 2).
"""

import argparse
import time
from pathlib import Path

import numpy as np

from deploy.dataset.project import Catalogue, Project
from deploy.dataset.sources import read_sources
from training.encoding.cache import item_text
from training.encoding.encoder import TextEncoder
from training.encoding.settings import EncoderSettings

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Writes the mean; to be named in HEADWATER_ENCODER_CENTRE of all processes."""
    parser = argparse.ArgumentParser(prog="python -m deploy.dataset.centre", description="Write the mean vector of items' texts.")
    parser.add_argument("catalogue", type=Path, help="items, as `headwater produce --catalogue` takes them")
    parser.add_argument("out", type=Path, help=".npy file to write")
    given = parser.parse_args(arguments)
    if given.out.suffix != ".npy":
        parser.error(f"{given.out}: name a file that ends in .npy")
    items = read_sources(Project(catalogue=Catalogue(file=str(given.catalogue))), now=time.time()).items
    config = EncoderSettings(encoder_centre=None).items()
    vectors_ND = TextEncoder(config).encode([text for item in items if (text := item_text(item.title, item.text))])
    if not len(vectors_ND):
        parser.error(f"{given.catalogue}: no item has a title or a text")
    np.save(given.out, vectors_ND.mean(axis=0))
    print(f"{given.out}: mean of {len(vectors_ND):,} texts; set HEADWATER_ENCODER_CENTRE={given.out.resolve()} everywhere")


if __name__ == "__main__":
    main()
