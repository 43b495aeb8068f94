"""Secrets of remote tools, each bound to the hosts that may have it.

Whoever writes a request names a secret and an address; whoever runs the worker says which go together. So a
request cannot have a secret sent to a host of its own.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

PREFIX: Final = "LONGHAUL_SECRET_"
"""Of the variables that hold secrets."""

HOSTS_SUFFIX: Final = "_HOST"
"""Of a variable that says which hosts may have the secret whose name it ends."""

_ADDRESS: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:/[!-\[\]-~]*)?",
    re.IGNORECASE | re.ASCII,
)
"""An address that everybody reads alike. Programs do not agree on whether ``https://a\\@b``, or ``https://a?@b``,
or one with a tab in it, goes to a or to b; the service might send the secret where we did not look."""

_BINDING: Final = re.compile(
    r"(?P<any>\*\.)?(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE | re.ASCII,
)

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class InvalidBinding(ValueError):
    """Nothing that a secret can be bound to. The message says what can be."""


@dataclass(frozen=True)
class HostBinding:
    """Who may have a secret.

    Attributes:
        host: In lower case.
        is_parent: Whether it is not the host itself that may, but all below it.
        port: None for the one that goes with the scheme.
    """

    host: str
    is_parent: bool = False
    port: int | None = None

    def __str__(self) -> str:
        return f"{'*.' if self.is_parent else ''}{self.host}{'' if self.port is None else f':{self.port}'}"

    def admits(self, host: str, port: int, *, scheme: str) -> bool:
        """Return whether ``host`` may have the secret at ``port``."""
        is_host = host.endswith(f".{self.host}") if self.is_parent else host == self.host
        return is_host and port == (_DEFAULT_PORTS[scheme] if self.port is None else self.port)


def parse_bindings(text: str) -> tuple[HostBinding, ...]:
    """Return the hosts in ``text``, separated by commas.

    Raises:
        InvalidBinding: One of them is no host.
    """
    return tuple(_binding(part.strip()) for part in text.split(","))


def _binding(text: str) -> HostBinding:
    found = _BINDING.fullmatch(text)
    # All hosts of a top-level domain are everybody's.
    is_too_wide = found is not None and found["any"] and "." not in found["host"]
    if found is None or is_too_wide or int(found["port"] or 1) not in range(1, 65_536):
        raise InvalidBinding(
            f"{text[:80]!r} is not a host; write crm.example.com, *.example.com or crm.example.com:8443, "
            "separated by commas"
        )
    port = None if found["port"] is None else int(found["port"])
    return HostBinding(host=found["host"].lower(), is_parent=bool(found["any"]), port=port)


@dataclass(frozen=True)
class ToolSecret:
    """A secret of remote tools.

    Attributes:
        name: What requests call it.
        value: What goes into the ``Authorization`` header.
        hosts: Who may have it; empty for nobody.
    """

    name: str
    value: SecretStr
    hosts: tuple[HostBinding, ...] = ()

    def why_not(self, url: str) -> str | None:
        """Return why the secret is not sent to ``url``, and what to do; None when it may be."""
        found = _ADDRESS.fullmatch(url)
        if found is None:
            return (
                f"{url[:120]!r} is no plain address, so {PREFIX}{self.name} is not sent there; "
                "write https://HOST/PATH in ASCII, without a user"
            )
        scheme, host = found["scheme"].lower(), found["host"].lower()
        port = int(found["port"] or _DEFAULT_PORTS[scheme])
        if scheme != "https" and not _is_loopback(host):
            return f"{PREFIX}{self.name} is sent over https:// only, and {url[:120]!r} is not"
        if any(binding.admits(host, port, scheme=scheme) for binding in self.hosts):
            return None
        named = host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
        hosts = ",".join(map(str, (*self.hosts, named)))
        bound = f"bound to {', '.join(map(str, self.hosts))}" if self.hosts else "bound to no host"
        return (
            f"{PREFIX}{self.name} is {bound}, so it is not sent to {named}; if {named} is to have it, set "
            f"{PREFIX}{self.name}{HOSTS_SUFFIX}={hosts} on the worker"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
