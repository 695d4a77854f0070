"""Server reflection, for grpcurl and other clients without stubs, as v1 and v1alpha: on the wire their messages are the same."""

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha._async import ReflectionServicer  # as reflection.aio, whose name has no type
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

__all__ = ["REFLECTION_METHODS", "add_reflection"]

_METHOD = "ServerReflectionInfo"
_SERVICES = "grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME  # grpcio-reflection 1.85 has the second alone
REFLECTION_METHODS = tuple(f"/{service}/{_METHOD}" for service in _SERVICES)


def add_reflection(services: Sequence[str], server: grpc.aio.Server) -> None:
    """Lets clients list `services` and read their messages."""
    servicer = ReflectionServicer((*services, reflection.SERVICE_NAME))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=ServerReflectionRequest.FromString,
        response_serializer=ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(service, {_METHOD: handler}) for service in _SERVICES)
    )
