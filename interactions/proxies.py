"""Proxies of the environment: whether the HTTP library can use them.

It reads them when a client is made, and raises whatever comes to it, with the address and a password in it.

SOCKS is left out on purpose. The library's way of it (httpx2 2.16 with socksio 1.0, tried 2026-11-28) lets
errors of the handshake through unwrapped, leaves its socket open then, and tells of a proxy that hangs as of
an API that does: the outcome of a submission that never left would be unknown.
"""

import re
from collections.abc import Mapping
from typing import Final

_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""In either case."""

_PROXY: Final = re.compile(
    r"(?:https?://)?(?:[!\"$-.0->A-~]*@)?"
    r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE | re.ASCII,
)

_MAX_PORT: Final = 65_535


class InvalidProxy(ValueError):
    """A variable names what requests cannot go through. The message, for a person, does not repeat it."""


def check_proxies(environ: Mapping[str, str]) -> None:
    """Return if every proxy in ``environ`` is one that requests can go through.

    Raises:
        InvalidProxy: One is not.
    """
    for variable, value in environ.items():
        if variable.upper() not in _VARIABLES or not value:
            continue
        if value.lower().startswith("socks"):
            raise InvalidProxy(
                f"{variable}: SOCKS proxies are not supported; write http://HOST:PORT, which most of them "
                "speak, too, or unset it"
            )
        found = _PROXY.fullmatch(value)
        if found is None or int(found["port"] or 1) not in range(1, _MAX_PORT + 1):
            raise InvalidProxy(
                f"{variable}: not a proxy that can be used; write http://HOST:PORT or https://HOST:PORT, "
                "with USER:PASSWORD@ before the host if it asks for them, or unset it"
            )
