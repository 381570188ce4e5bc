"""Run the web door: a server that lets its open event streams go before it waits for them."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import ASGIApp

from channels.house import House


class Server(uvicorn.Server):
    """On the way out open pages are told first; they come back to whoever answers next, instead of using up the grace period."""

    def __init__(self, config: uvicorn.Config, house: House) -> None:
        super().__init__(config)
        self._house = house

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._house.bus.close()
        await super().shutdown(sockets)


def server(house: House, app: ASGIApp, *, host: str | None = None, port: int | None = None, log_level: str = "warning") -> Server:
    """A server for `app`, by the house's settings unless told otherwise. Port 0 takes a free one."""
    config = uvicorn.Config(
        app,
        host=house.settings.host if host is None else host,
        port=house.settings.port if port is None else port,
        log_level=log_level,
        access_log=False,
        timeout_graceful_shutdown=3,
        forwarded_allow_ips=house.settings.trusted_proxies,
        server_header=False,
    )
    return Server(config, house)
