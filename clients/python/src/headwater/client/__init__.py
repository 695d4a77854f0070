"""Python client of the recommender service, with threads or asyncio; needs grpcio and protobuf only.

Requests and responses are the messages of headwater/v1/recommender.proto, whose stubs give types:

    from headwater.client import Client
    from headwater.v1.recommender_pb2 import ListSpec, RecommendRequest

    with Client("127.0.0.1:50051") as client:
        response = client.recommend(RecommendRequest(user_id="u1", list=ListSpec(count=10)))
"""

from headwater.client.clients import AsyncClient, Client, by_task
from headwater.client.connection import ClientOptions, Tls

__all__ = ["AsyncClient", "Client", "ClientOptions", "Tls", "by_task"]
