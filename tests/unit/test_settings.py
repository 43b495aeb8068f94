import os
from pathlib import Path

import pytest

from runs.messages import Usage
from settings import GEMINI_BASE_URL, Settings, SettingsError

_USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


def test_an_empty_environment_is_enough() -> None:
    """Every setting has a default."""
    settings = Settings.from_env({})
    assert settings.api_key is None
    assert settings.base_url == GEMINI_BASE_URL
    assert settings.task_queue == "longhaul"
    assert settings.artifacts_url == (Path.home() / ".longhaul" / "artifacts").as_uri()
    assert settings.pacing.poll_min_s <= settings.pacing.poll_max_s


def test_every_variable_is_documented() -> None:
    """``.env.example`` names each variable that is read."""
    documented = Path(".env.example").read_text("utf-8").splitlines()
    names = {line.partition("=")[0] for line in documented if not line.startswith("#")}
    assert {field.alias for field in Settings.model_fields.values() if field.alias} <= names


def test_documented_defaults_are_loaded() -> None:
    """``.env.example`` as it stands changes nothing: an empty variable counts as unset."""
    lines = Path(".env.example").read_text("utf-8").splitlines()
    environ = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert Settings.from_env(environ) == Settings.from_env({})


def test_a_blank_variable_counts_as_unset() -> None:
    """Compose files pass on unset variables as empty ones."""
    assert Settings.from_env({"LONGHAUL_TASK_QUEUE": "  "}).task_queue == "longhaul"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GEMINI_API_KEY": "gemini"}, "gemini"),
        ({"GOOGLE_API_KEY": "google"}, "google"),
        ({"GOOGLE_API_KEY": "google", "GEMINI_API_KEY": "gemini"}, "gemini"),
        ({"GOOGLE_API_KEY": "google", "GEMINI_API_KEY": ""}, "google"),
    ],
)
def test_either_key_is_read(environ: dict[str, str], expected: str) -> None:
    """``GOOGLE_API_KEY`` stands in for ``GEMINI_API_KEY``, which wins."""
    key = Settings.from_env(environ).api_key
    assert key is not None
    assert key.get_secret_value() == expected


def test_secrets_are_not_shown() -> None:
    """Settings may be logged as a whole."""
    settings = Settings.from_env(
        {
            "GEMINI_API_KEY": "s3cret-key",
            "LONGHAUL_VERTEX_TOKEN": "s3cret-token",
            "LONGHAUL_SECRET_GITHUB": "Bearer s3cret-other",
        }
    )
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in settings.model_dump_json()


def test_secrets_of_remote_tools_are_read_by_name() -> None:
    """Each ``LONGHAUL_SECRET_<NAME>`` is one, without the line break a file may end it with."""
    settings = Settings.from_env(
        {"LONGHAUL_SECRET_GITHUB": "Bearer a\n", "LONGHAUL_SECRET_CRM_2": "b", "LONGHAUL_SECRET_NONE": ""}
    )
    values = {name: secret.get_secret_value() for name, secret in settings.secrets.items()}
    assert values == {"GITHUB": "Bearer a", "CRM_2": "b"}


def test_secrets_are_bound_to_hosts() -> None:
    """What ends in ``_HOST`` is never a secret; one without hosts is there, for the worker's own tools."""
    settings = Settings.from_env(
        {
            "LONGHAUL_SECRET_CRM": "Bearer abc",
            "LONGHAUL_SECRET_CRM_HOST": "crm.example, *.crm.example:8443",
            "LONGHAUL_SECRET_PIN": "12345678",
            "LONGHAUL_SECRET_OTHER_HOST": " ",
        }
    )
    assert set(settings.secrets) == {"CRM", "PIN"}
    shown = {name: list(map(str, hosts)) for name, hosts in settings.hosts_by_secret.items()}
    assert shown == {"CRM": ["crm.example", "*.crm.example:8443"], "PIN": []}
    assert settings.tool_secrets["CRM"].why_not("https://crm.example/mcp") is None


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        (
            {"LONGHAUL_SECRET_CRM_HOST": "a.b"},
            "says who may have LONGHAUL_SECRET_CRM, which is not set",
        ),
        (
            {"LONGHAUL_SECRET_CRM": "s", "LONGHAUL_SECRET_CRM_HOST": "https://crm.example"},
            "'https://crm.example' is not a host; write crm.example.com",
        ),
    ],
)
def test_a_binding_that_binds_nothing_is_refused(environ: dict[str, str], reason: str) -> None:
    """In one line, with its variable."""
    with pytest.raises(SettingsError, match=f"^LONGHAUL_SECRET_CRM_HOST: {reason}"):
        Settings.from_env(environ)


@pytest.mark.parametrize("name", ["", "github", "2", "A-B", "A" * 65])
def test_a_secret_that_no_request_can_name_is_refused(name: str) -> None:
    """What a run could never ask for is a slip, said with its variable."""
    with pytest.raises(SettingsError, match=rf"^LONGHAUL_SECRET_{name}: must go on with a capital letter"):
        Settings.from_env({f"LONGHAUL_SECRET_{name}": "value"})


@pytest.mark.parametrize("value", ["two\nlines", "caf\u00e9", "nul\0"])
def test_a_secret_that_no_header_can_hold_is_refused_unseen(value: str) -> None:
    """It would fail with the first run that uses it; the message does not show it."""
    with pytest.raises(SettingsError, match=r"^LONGHAUL_SECRET_CRM: must be printable ASCII in one line$"):
        Settings.from_env({"LONGHAUL_SECRET_CRM": value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LONGHAUL_API_BASE_URL", "localhost:8089"),
        ("LONGHAUL_API_BASE_URL", "http://"),
        ("LONGHAUL_API_BASE_URL", "http://[::1"),
        ("LONGHAUL_API_VERSION", "v2"),
        ("LONGHAUL_HEALTH_ADDRESS", "9090"),
        ("LONGHAUL_HEALTH_ADDRESS", "localhost:"),
        ("LONGHAUL_HEALTH_ADDRESS", "localhost:65536"),
        ("LONGHAUL_HEALTH_ADDRESS", ":9090"),
        ("LONGHAUL_POLL_MIN_S", "0"),
        ("LONGHAUL_POLL_MIN_S", "soon"),
        ("LONGHAUL_POLL_MAX_S", "1"),
        ("LONGHAUL_POLL_MAX_S", "nan"),
        ("LONGHAUL_MAX_ACTIVITIES", "0"),
        ("LONGHAUL_MAX_CACHED_WORKFLOWS", "-1"),
        ("LONGHAUL_LOG_LEVEL", "loud"),
        ("LONGHAUL_LOG_FORMAT", "xml"),
        ("LONGHAUL_TASK_QUEUE", "q" * 201),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(variable: str, value: str) -> None:
    """A slip is refused at the start, in one line that begins with the variable."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: value})
    assert str(caught.value).startswith(f"{variable}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:9090", "[::1]:0", "0.0.0.0:65535", "localhost:9090"])
def test_health_addresses_are_host_and_port(address: str) -> None:
    """Names, IPv4 and bracketed IPv6 are taken."""
    assert Settings.from_env({"LONGHAUL_HEALTH_ADDRESS": address}).health_address == address


@pytest.mark.parametrize(
    "variable", ["TEMPORAL_CONFIG_FILE", "TEMPORAL_TLS_CLIENT_KEY_PATH", "SSL_CERT_FILE"]
)
def test_what_a_library_would_wait_for_is_refused(tmp_path: Path, variable: str) -> None:
    """A FIFO in the place of a file; one that is not there is for the library to tell, and none is none."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match=f"^{variable}: .*/pipe: it is a FIFO, not a regular file"):
        Settings.from_env({variable: str(tmp_path / "pipe")})
    for path in (str(tmp_path / "nothing"), os.devnull):
        assert Settings.from_env({variable: path}) == Settings.from_env({})


def test_other_variables_are_none_of_ours() -> None:
    """Whatever else the environment holds is ignored, also under a field's own name."""
    assert Settings.from_env({"task_queue": "other", "PATH": "/bin"}) == Settings.from_env({})


@pytest.mark.parametrize(
    ("environ", "is_paid"),
    [
        ({}, True),
        ({"LONGHAUL_API_BASE_URL": "https://generativelanguage.googleapis.com"}, True),
        ({"LONGHAUL_API_BASE_URL": "https://generativelanguage.googleapis.com:443/"}, True),
        ({"LONGHAUL_API_BASE_URL": "https://GenerativeLanguage.GoogleAPIs.com"}, True),
        ({"LONGHAUL_API_BASE_URL": "http://127.0.0.1:8089"}, False),
        ({"LONGHAUL_API_BASE_URL": "http://emulator:8089/googleapis.com"}, False),
        ({"LONGHAUL_VERTEX_PROJECT": "p", "LONGHAUL_API_BASE_URL": "http://proxy.test"}, True),
    ],
)
def test_googles_own_addresses_cost_money(environ: dict[str, str], is_paid: bool) -> None:
    """Only a base URL that is not Google's is free."""
    assert Settings.from_env(environ).is_paid is is_paid


def test_home_moves_the_artifacts(tmp_path: Path) -> None:
    """Artifacts are kept under the home, unless a place of their own is named."""
    home = {"LONGHAUL_HOME": str(tmp_path)}
    assert Settings.from_env(home).artifacts_url == (tmp_path / "artifacts").as_uri()
    elsewhere = {**home, "LONGHAUL_ARTIFACTS_URL": "s3://bucket/prefix"}
    assert Settings.from_env(elsewhere).artifacts_url == "s3://bucket/prefix"


def test_a_tilde_is_expanded() -> None:
    """``.env`` files are read by programs that leave the tilde alone."""
    assert Settings.from_env({"LONGHAUL_HOME": "~/runs"}).home == Path.home() / "runs"


def test_own_prices_go_over_the_built_in_ones(tmp_path: Path) -> None:
    """A price file adds and replaces entries, and the others stay."""
    builtin = Settings.from_env({}).prices()
    replaced, *kept = builtin.usd_per_million
    file = tmp_path / "prices.toml"
    file.write_text(
        f'[usd_per_million]\n"{replaced}" = {{ input = 1.0, cached = 0.5, output = 2.0 }}\n'
        "my-agent = { input = 3.0, cached = 1.0, output = 4.0 }\n"
    )
    prices = Settings.from_env({"LONGHAUL_PRICES_FILE": str(file)}).prices()
    assert prices.estimate_usd(replaced, _USAGE) == 3.0
    assert prices.estimate_usd("my-agent", _USAGE) == 7.0
    assert kept
    assert all(prices.usd_per_million[name] == builtin.usd_per_million[name] for name in kept)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "not toml =",
        "",
        "[usd_per_milion]\n",
        "[usd_per_million]\nagent = 3\n",
        "usd_per_million = 3\n",
        "[usd_per_million.agent]\ninput = -1\ncached = 0\noutput = 0\n",
        "[usd_per_million.agent]\ninput = 1\n",
        b"\xff\xfe",
    ],
)
def test_a_bad_price_file_names_its_variable(tmp_path: Path, content: str | bytes | None) -> None:
    """A price file that is missing or is none is refused in one line."""
    file = tmp_path / "prices.toml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = Settings.from_env({"LONGHAUL_PRICES_FILE": str(file)})
    with pytest.raises(SettingsError) as caught:
        settings.prices()
    assert str(caught.value).startswith(f"LONGHAUL_PRICES_FILE: {file}: ")
    assert "\n" not in str(caught.value)
