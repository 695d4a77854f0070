"""Which lists the page asks for: one for each type of item that there is, whatever the tasks say of types."""

from typing import Any, cast

import grpc
import pytest

from deploy.console.queries import Queries
from headwater.v1.recommender_pb2 import (
    RankedItem,
    RankedSlate,
    RecommendRequest,
    RecommendResponse,
    RecommendSlatesRequest,
    RecommendSlatesResponse,
)
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub


class Catalogue:
    """A server that has one item of each type, and refuses a type of which it has none, as the real one does."""

    def __init__(self, *types: str) -> None:
        self.types = list(types)

    async def Recommend(self, request: RecommendRequest, **options: Any) -> RecommendResponse:
        assert request.preview, "a look makes no impressions"
        others = {kind for one in request.list.filter.conditions for kind in one.none_of}
        return RecommendResponse(items=[RankedItem(type=kind) for kind in self.types if kind not in others][:1])

    async def RecommendSlates(self, request: RecommendSlatesRequest, **options: Any) -> RecommendSlatesResponse:
        if any(kind not in self.types for slate in request.slates for kind in slate.list.item_types):
            raise grpc.RpcError("no item of the catalogue is of that type")
        return RecommendSlatesResponse(
            slates=[RankedSlate(name=slate.name, items=[RankedItem(type=slate.name)]) for slate in request.slates]
        )


async def _lists(queries: Queries) -> list[str]:
    return [found["type"] for found in (await queries.lists("ann"))["lists"]]


async def test_there_is_a_list_for_each_type_that_the_server_has() -> None:
    """Those that no task names too, and one that comes later; a named one of which there is no item is left out."""
    catalogue = Catalogue("ad", "song", "lyrics")
    queries = Queries(cast("RecommenderServiceStub", catalogue), item_types=["song", "video"])
    assert await _lists(queries) == ["song", "ad", "lyrics"]
    catalogue.types.append("video")
    assert await _lists(queries) == ["song", "video", "ad", "lyrics"]


async def test_a_type_whose_last_item_is_gone_is_refused_once() -> None:
    """What there is, is looked up again after that."""
    catalogue = Catalogue("ad", "song")
    queries = Queries(cast("RecommenderServiceStub", catalogue), item_types=[])
    assert await _lists(queries) == ["ad", "song"]
    catalogue.types.remove("ad")
    with pytest.raises(grpc.RpcError):
        await _lists(queries)
    assert await _lists(queries) == ["song"]


async def test_an_empty_catalogue_has_no_lists() -> None:
    """And is no error."""
    assert await _lists(Queries(cast("RecommenderServiceStub", Catalogue()), item_types=["song"])) == []
