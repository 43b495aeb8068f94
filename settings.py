"""Longhaul's own settings, read once from the environment by each main.

Temporal's connection is not here: it comes from the ``TEMPORAL_*`` variables and Temporal's standard
TOML file, through ``temporalio.envconfig``. ``.env.example`` lists every variable.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from interactions.config import ApiConfig, VertexTarget
from interactions.proxies import InvalidProxy, check_proxies
from regular_files import NotRegular, check_regular, open_regular
from runs.pacing import Pacing
from runs.pricing import PriceTable
from runs.tool_secrets import (
    HOSTS_SUFFIX,
    PREFIX,
    HostBinding,
    InvalidBinding,
    ToolSecret,
    parse_bindings,
)

GEMINI_BASE_URL: Final = "https://generativelanguage.googleapis.com"
"""Google's own service (google-genai 3.4.0, read 2026-11-22)."""

DEFAULT_STOP_WITHIN_S: Final = 130.0
"""Seconds from a signal to the end of a worker: the longest that a submission in the background takes, which
`activities.timeouts.SUBMIT_TIMEOUT` adds up, and ten for what comes after."""

_PLACEHOLDER_KEY: Final = "emulator"
"""Sent where no key is configured and none is needed."""

_API_VARIABLES: Final = {
    "api_key": "GEMINI_API_KEY",
    "base_url": "LONGHAUL_API_BASE_URL",
    "project": "LONGHAUL_VERTEX_PROJECT",
    "location": "LONGHAUL_VERTEX_LOCATION",
    "token": "LONGHAUL_VERTEX_TOKEN",
}
"""The variable behind each field that an `ApiConfig` may refuse."""


_SECRET_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
"""As in `runs.tools.McpServerTool`."""


class SettingsError(Exception):
    """A setting that cannot be used. The message names the variable and says what to do."""


_READ_BY_OTHERS: Final = re.compile(r"TEMPORAL_CONFIG_FILE|TEMPORAL_TLS_\w+_PATH|SSL_CERT_FILE")
"""Variables that name a file which a library reads, and would wait for, for ever, if it were a FIFO."""


def check_files(environ: Mapping[str, str]) -> None:
    """Return if no variable names something for a library to read that is not a regular file.

    One that is not there is for the library to tell.

    Raises:
        SettingsError: One does.
    """
    for variable, path in environ.items():
        # The null device is how a file is said to be none.
        if path.strip() and path != os.devnull and _READ_BY_OTHERS.fullmatch(variable):
            try:
                check_regular(Path(path))
            except NotRegular as error:
                raise SettingsError(f"{variable}: {path}: {error.strerror}") from None
            except (OSError, ValueError):
                continue


def _secrets_in(given: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets among the variables, by the name that requests use.

    Raises:
        SettingsError: A name that no request can use, or a value that no header can hold. Not shown.
    """
    secrets = {
        variable.removeprefix(PREFIX): value.strip()  # a file's line break is not meant
        for variable, value in given.items()
        if variable.startswith(PREFIX) and not variable.endswith(HOSTS_SUFFIX)
    }
    for name, value in secrets.items():
        if not _SECRET_NAME.fullmatch(name):
            raise SettingsError(
                f"{PREFIX}{name}: must go on with a capital letter, then capital letters, digits and "
                "'_', 64 at the most"
            )
        if not value.isascii() or not value.isprintable():
            raise SettingsError(f"{PREFIX}{name}: must be printable ASCII in one line")
    return secrets


def _secret_hosts_in(
    given: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, tuple[HostBinding, ...]]:
    """Return which hosts may have which of ``secrets``.

    Raises:
        SettingsError: Hosts of a secret that is not there, or what is no host.
    """
    hosts: dict[str, tuple[HostBinding, ...]] = {}
    for variable, value in given.items():
        if not variable.startswith(PREFIX) or not variable.endswith(HOSTS_SUFFIX):
            continue
        name = variable.removeprefix(PREFIX).removesuffix(HOSTS_SUFFIX)
        if name not in secrets:
            raise SettingsError(f"{variable}: says who may have {PREFIX}{name}, which is not set")
        try:
            hosts[name] = parse_bindings(value)
        except InvalidBinding as error:
            raise SettingsError(f"{variable}: {error}") from None
    return hosts


class Settings(BaseModel):
    """Settings of one process. Every field names its variable, unit and default in ``.env.example``."""

    model_config = ConfigDict(frozen=True)

    api_key: SecretStr | None = Field(default=None, alias="GEMINI_API_KEY")
    api_base_url: str | None = Field(default=None, alias="LONGHAUL_API_BASE_URL")
    may_send_in_clear: bool = Field(default=False, alias="LONGHAUL_API_ALLOW_HTTP")
    api_version: Literal["v1", "v1beta"] = Field(default="v1beta", alias="LONGHAUL_API_VERSION")
    vertex_project: str | None = Field(default=None, alias="LONGHAUL_VERTEX_PROJECT")
    vertex_location: str = Field(default="global", alias="LONGHAUL_VERTEX_LOCATION")
    vertex_token: SecretStr | None = Field(default=None, alias="LONGHAUL_VERTEX_TOKEN")
    home: Path = Field(default=Path("~/.longhaul"), alias="LONGHAUL_HOME", validate_default=True)
    artifacts_location: str | None = Field(default=None, alias="LONGHAUL_ARTIFACTS_URL")
    task_queue: str = Field(default="longhaul", alias="LONGHAUL_TASK_QUEUE", max_length=200)
    health_address: str = Field(default="127.0.0.1:9090", alias="LONGHAUL_HEALTH_ADDRESS")
    poll_min_s: float = Field(default=Pacing().poll_min_s, alias="LONGHAUL_POLL_MIN_S", gt=0, le=3600)
    poll_max_s: float = Field(default=Pacing().poll_max_s, alias="LONGHAUL_POLL_MAX_S", gt=0, le=3600)
    max_activities: int = Field(default=100, alias="LONGHAUL_MAX_ACTIVITIES", ge=1, le=10_000)
    stop_within_s: float = Field(
        default=DEFAULT_STOP_WITHIN_S, alias="LONGHAUL_STOP_WITHIN_S", ge=1, le=3600, allow_inf_nan=False
    )
    max_cached_workflows: int = Field(default=1_000, alias="LONGHAUL_MAX_CACHED_WORKFLOWS", ge=0, le=100_000)
    tools: str = Field(default="", alias="LONGHAUL_TOOLS")
    secrets: Mapping[str, SecretStr] = Field(default_factory=dict)
    """Values of ``LONGHAUL_SECRET_<NAME>``, by name: what remote tools ask for."""
    secret_hosts: Mapping[str, tuple[HostBinding, ...]] = Field(default_factory=dict)
    """Who may have them, by name: ``LONGHAUL_SECRET_<NAME>_HOST``."""
    prices_file: Path | None = Field(default=None, alias="LONGHAUL_PRICES_FILE")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", alias="LONGHAUL_LOG_LEVEL"
    )
    log_format: Literal["auto", "json", "console"] = Field(default="auto", alias="LONGHAUL_LOG_FORMAT")

    @field_validator("home")
    @classmethod
    def _expand_home(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("api_base_url")
    @classmethod
    def _check_base_url(cls, url: str | None) -> str | None:
        if url is not None and not (url.startswith(("http://", "https://")) and urlsplit(url).hostname):
            raise ValueError("must be an http:// or https:// address")
        return url

    @field_validator("health_address")
    @classmethod
    def _check_health_address(cls, address: str) -> str:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004 - the largest TCP port
            raise ValueError("must be HOST:PORT, for example 127.0.0.1:9090")
        return address

    @property
    def artifacts_url(self) -> str:
        """Where artifacts are kept: a folder or any obstore URL."""
        return self.artifacts_location or (self.home / "artifacts").as_uri()

    @property
    def base_url(self) -> str:
        """The API's address."""
        return self.api_base_url or GEMINI_BASE_URL

    @property
    def api_host(self) -> str:
        """Who gets what is submitted: a host, with its port if one is named."""
        if self.vertex_project is not None and self.api_base_url is None:
            return f"Vertex AI in {self.vertex_location}"
        return urlsplit(self.base_url).netloc

    @property
    def hosts_by_secret(self) -> dict[str, tuple[HostBinding, ...]]:
        """Who may have which secret, for people; also those that nobody may have."""
        return {name: self.secret_hosts.get(name, ()) for name in self.secrets}

    @property
    def tool_secrets(self) -> dict[str, ToolSecret]:
        """What remote tools ask for, by name, with who may have it."""
        return {
            name: ToolSecret(name, self.secrets[name], hosts) for name, hosts in self.hosts_by_secret.items()
        }

    @property
    def is_paid(self) -> bool:
        """Whether submissions go to Google and may cost money."""
        host = urlsplit(self.base_url).hostname or ""
        return self.vertex_project is not None or host.endswith(".googleapis.com")

    @property
    def pacing(self) -> Pacing:
        """How often a run is looked at when its request does not say."""
        return Pacing(poll_min_s=self.poll_min_s, poll_max_s=self.poll_max_s)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from ``environ``; an empty variable counts as unset.

        Raises:
            SettingsError: A variable has a value that cannot be used.
        """
        check_files(environ)
        given = {name: value for name, value in environ.items() if value.strip()}
        if "GOOGLE_API_KEY" in given:
            given.setdefault("GEMINI_API_KEY", given["GOOGLE_API_KEY"])
        known = {field.alias for field in cls.model_fields.values()}
        read: dict[str, object] = {name: value for name, value in given.items() if name in known}
        try:
            secrets = _secrets_in(given)
            hosts = _secret_hosts_in(given, secrets)
            settings = cls.model_validate(read | {"secrets": secrets, "secret_hosts": hosts})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise SettingsError(f"{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}") from None
        if settings.poll_max_s < settings.poll_min_s:
            raise SettingsError("LONGHAUL_POLL_MAX_S: must not be below LONGHAUL_POLL_MIN_S")
        return settings

    def api_config(self) -> ApiConfig:
        """Return how to reach the API, with the client's own bounds.

        Raises:
            SettingsError: There is no credential, or a value cannot be used.
        """
        try:
            vertex = self._vertex_target()
            config = ApiConfig(
                api_key=self._key() if vertex is None else None,
                vertex=vertex,
                base_url=self.api_base_url,
                # Vertex calls its beta v1beta1.
                api_version="v1beta1" if vertex and self.api_version == "v1beta" else self.api_version,
            )
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            variable = _API_VARIABLES.get(str(first["loc"][0]), "API settings")
            raise SettingsError(f"{variable}: {first['msg'].removeprefix('Value error, ')}") from None
        is_secret = config.credential.get_secret_value() != _PLACEHOLDER_KEY
        if config.is_in_clear and is_secret and not self.may_send_in_clear:
            raise SettingsError(
                "LONGHAUL_API_BASE_URL: the key would be sent in clear over http://; use https://, or set "
                "LONGHAUL_API_ALLOW_HTTP=true if that is meant"
            )
        if not config.is_loopback:
            try:
                # Of the process: the HTTP library looks nowhere else.
                check_proxies(os.environ)
            except InvalidProxy as error:
                raise SettingsError(str(error)) from None
        return config

    def _key(self) -> SecretStr:
        if self.api_key is not None:
            return self.api_key
        if self.is_paid:
            raise SettingsError(
                "GEMINI_API_KEY: not set; set it, or point LONGHAUL_API_BASE_URL at an emulator"
            )
        return SecretStr(_PLACEHOLDER_KEY)

    def _vertex_target(self) -> VertexTarget | None:
        if self.vertex_project is None:
            return None
        if self.vertex_token is None:
            raise SettingsError("LONGHAUL_VERTEX_TOKEN: not set, and LONGHAUL_VERTEX_PROJECT needs it")
        return VertexTarget(
            project=self.vertex_project, location=self.vertex_location, token=self.vertex_token
        )

    def prices(self) -> PriceTable:
        """Read the price table: the built-in one, with the entries of ``LONGHAUL_PRICES_FILE`` over it.

        Raises:
            SettingsError: The file cannot be read or is no price table.
        """
        builtin = PriceTable.model_validate(
            tomllib.loads(resources.files("runs").joinpath("prices.toml").read_text("utf-8"))
        )
        if self.prices_file is None:
            return builtin
        try:
            with open_regular(self.prices_file) as file:
                own = PriceTable.model_validate(tomllib.loads(file.read().decode("utf-8")))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
        else:
            return PriceTable(usd_per_million=builtin.usd_per_million | own.usd_per_million)
        raise SettingsError(f"LONGHAUL_PRICES_FILE: {self.prices_file}: {reason}")
