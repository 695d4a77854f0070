"""Floor under any latency over gRPC in Python, a bare `grpc.aio` server: `python -m benchmarks.serving.echo PORT`."""

import asyncio
import sys
from typing import Any

import grpc

from deploy.local.ports import HOST

__all__ = ["METHOD"]

METHOD = "/headwater.benchmarks.Echo/Echo"


async def _echo(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    return request


async def _serve(port: int) -> None:
    server = grpc.aio.server()
    _, service, method = METHOD.split("/")
    handler = grpc.method_handlers_generic_handler(service, {method: grpc.unary_unary_rpc_method_handler(_echo)})
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"{HOST}:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
