"""Where the API is, who we are to it, and how long and how much we listen to it."""

import ipaddress
import re
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

GEMINI_HOST: Final = "https://generativelanguage.googleapis.com"
"""The Gemini Developer API (google-genai 3.4.0, read 2026-11-22)."""

_MULTI_REGIONS: Final = frozenset({"us", "eu"})
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")
_VERSION: Final = re.compile(r"v[0-9][a-z0-9]*")

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


def _usable_in_a_header(secret: SecretStr) -> SecretStr:
    # Keys read from a file end with a newline; anything else outside printable ASCII cannot be sent, and
    # the HTTP library's own complaint would quote the key.
    value = secret.get_secret_value().strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be printable ASCII without spaces")
    return SecretStr(value)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class VertexTarget(BaseModel):
    """A project on Vertex AI ("Agent Platform"), reached with a bearer token instead of an API key."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    project: str
    location: str = "global"
    token: SecretStr
    quota_project: str | None = None

    @field_validator("project", "location", "quota_project")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise ValueError("must be a name of letters, digits, '.', ':', '_' and '-'")
        return name

    @field_validator("token")
    @classmethod
    def _check_token(cls, token: SecretStr) -> SecretStr:
        return _usable_in_a_header(token)

    @property
    def host(self) -> str:
        """The address that serves ``location``."""
        if self.location == "global":
            return "https://aiplatform.googleapis.com"
        if self.location in _MULTI_REGIONS:
            return f"https://aiplatform.{self.location}.rep.googleapis.com"
        return f"https://{self.location}-aiplatform.googleapis.com"


class ApiConfig(BaseModel):
    """How to reach the API: exactly one of ``api_key`` and ``vertex``, because it refuses two credentials.

    Proxies and certificates are taken from the environment (``HTTPS_PROXY``, ``NO_PROXY``,
    ``SSL_CERT_FILE``), as many networks have no other way out; except for a loopback ``base_url``,
    which no proxy can reach.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr | None = None
    vertex: VertexTarget | None = None
    base_url: str | None = None
    """None means Google's host for the credential; a path prefix is kept."""
    api_version: str | None = None
    """None means ``v1beta``, whose reference covers agents (``v1`` does not), or ``v1beta1`` on Vertex."""

    connect_timeout_s: float = Field(default=10.0, gt=0)
    """For each of: a free connection, TCP, TLS. Past it nothing was sent."""
    call_timeout_s: float = Field(default=60.0, gt=0)
    """For a whole get, cancel or delete: ten times what a result of some megabytes takes, so that only a
    server which drips bytes is cut off."""
    create_timeout_s: float = Field(default=300.0, gt=0)
    """For a whole create. A background create answers in seconds; a foreground model may think for
    minutes, and inline media of up to 100 MB have to be sent."""
    stream_idle_timeout_s: float = Field(default=120.0, gt=0)
    """For each read of a stream: resumed streams have been seen to hang for good after two events. Long,
    because an agent that thinks says nothing for a while."""
    max_body_bytes: int = Field(default=64 * _MIB, gt=0)
    """For one decoded body: a report with its charts inline is some megabytes; more must not eat memory."""
    max_event_bytes: int = Field(default=16 * _MIB, gt=0)
    """For one event of a stream, which may carry one whole image as base64."""
    max_connections: int = Field(default=256, gt=0)
    """Looks and streams at the same time; below the usual 1,024 open files of a process."""

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        return None if key is None else _usable_in_a_header(key)

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must carry no user, query or fragment")
        return url.rstrip("/")

    @field_validator("api_version")
    @classmethod
    def _check_version(cls, version: str | None) -> str | None:
        if version is not None and not _VERSION.fullmatch(version):
            raise ValueError("must be a version such as v1 or v1beta")
        return version

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.api_key is None) == (self.vertex is None):
            raise ValueError("give exactly one of api_key and vertex")
        return self

    @property
    def root_url(self) -> str:
        """Everything of an address that comes before ``/interactions``."""
        if self.vertex is None:
            return f"{self.base_url or GEMINI_HOST}/{self.api_version or 'v1beta'}"
        place = f"projects/{self.vertex.project}/locations/{self.vertex.location}"
        return f"{self.base_url or self.vertex.host}/{self.api_version or 'v1beta1'}/{place}"

    @property
    def is_loopback(self) -> bool:
        """Whether ``base_url`` is on this machine."""
        return self.base_url is not None and _is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def is_in_clear(self) -> bool:
        """Whether everybody on the way can read the credential."""
        return self.root_url.startswith("http:") and not self.is_loopback

    @property
    def credential(self) -> SecretStr:
        """The one secret that is sent."""
        secret = self.vertex.token if self.vertex is not None else self.api_key
        assert secret is not None  # _one_credential saw to it
        return secret

    def auth_headers(self) -> dict[str, str]:
        """Return the headers that carry the credential. It goes nowhere else."""
        secret = self.credential.get_secret_value()
        if self.vertex is None:
            return {"x-goog-api-key": secret}
        quota = self.vertex.quota_project
        return {"authorization": f"Bearer {secret}"} | ({"x-goog-user-project": quota} if quota else {})
