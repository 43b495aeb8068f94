"""Connections: many for looks, kept open; a fresh one for each create and stream.

Why looks are spread over several pools: before each request the HTTP library asks the kernel of every idle
connection of the pool whether it is still open, at about 27 µs each. 200 looks at once through one pool of
200 cost 6.3 ms of CPU each, and 7.4 ms each for the trickle after it; through eight pools of 16, 1.4 ms and
2.3 ms, of which 1 ms is the library's least. (``benchmarks/http_client.py``; Python 3.11, two shared cores,
httpx2 2.16.)
"""

import contextlib
import ssl
from collections.abc import Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx2 as httpx

from interactions.config import ApiConfig

# Above this, asking idle connections whether they still live costs more than the request (see above).
_CONNECTIONS_A_POOL: Final = 16
# Front ends drop idle connections after minutes; to drop them first avoids most lost races.
_KEEPALIVE_S: Final = 45.0


def _no_cookies() -> CookieJar:
    """Return a jar that takes nothing and gives nothing.

    The API has no use for cookies. What sets them is something in front of it, and those of one run's answer
    would be sent with every other run's requests, until they are too long for it.
    """
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


class _Pool:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.in_flight = 0


class Connections:
    """All connections of one client."""

    def __init__(self, config: ApiConfig, transport: httpx.AsyncBaseTransport | None) -> None:
        trust_env = not config.is_loopback
        # Made once, because reading the certificates takes 0.1 s; and without any for plain HTTP, which
        # leaves a context that trusts nobody.
        needs_tls = transport is None and config.root_url.startswith("https:")
        verify = (
            httpx.create_ssl_context(trust_env=trust_env)
            if needs_tls
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )

        def client(max_connections: int, keep: int) -> httpx.AsyncClient:
            return httpx.AsyncClient(
                headers={"user-agent": "longhaul", **config.auth_headers()},
                limits=httpx.Limits(
                    max_connections=max_connections,
                    max_keepalive_connections=keep,
                    keepalive_expiry=_KEEPALIVE_S,
                ),
                follow_redirects=False,
                trust_env=trust_env,
                verify=verify,
                transport=transport,
                cookies=_no_cookies(),
            )

        each = min(_CONNECTIONS_A_POOL, config.max_connections)
        count = 1 if transport is not None else -(-config.max_connections // each)
        self._shared = [_Pool(client(each, each)) for _ in range(count)]
        self._fresh = client(config.max_connections, 0)

    @property
    def fresh(self) -> httpx.AsyncClient:
        """A client that opens a connection for each request and closes it afterwards.

        A connection that the server closes just as a request leaves on it breaks that request, and nobody
        can say whether it ran. For a look that is one more look; for a create it is an unknown outcome
        that a person may have to resolve. Streams are here because they would hold a shared connection.
        """
        return self._fresh

    @contextlib.contextmanager
    def shared(self) -> Iterator[httpx.AsyncClient]:
        """Lend a client with connections that are kept open."""
        # The first with room, not each in turn, so that a few looks keep using a few warm connections.
        pool = next((pool for pool in self._shared if pool.in_flight < _CONNECTIONS_A_POOL), None)
        pool = pool or min(self._shared, key=lambda each: each.in_flight)
        pool.in_flight += 1
        try:
            yield pool.http
        finally:
            pool.in_flight -= 1

    async def aclose(self) -> None:
        """Close all connections."""
        for http in (*(pool.http for pool in self._shared), self._fresh):
            await http.aclose()
