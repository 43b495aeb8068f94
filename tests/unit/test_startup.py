import re
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from temporalio.api.failure.v1 import Failure
from temporalio.converter import PayloadConverter
from temporalio.envconfig import ClientConnectConfig
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.timeouts import CALL_TIMEOUT, SUBMIT_TIMEOUT
from interactions.redaction import Redactor
from settings import Settings
from startup import (
    EXIT_MISCONFIGURED,
    QuietFailureConverter,
    StartupError,
    api_config,
    connection,
    failure_converter,
    load_tools,
    open_store,
    redactor_of,
    warn_of_short_secrets,
)


def config_for(**environ: str) -> str:
    """Return where the API is with ``environ``, and which headers are sent."""
    config = api_config(Settings.from_env(environ))
    headers = ", ".join(f"{name}: {value}" for name, value in config.auth_headers().items())
    return f"{config.root_url} ({headers})"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"GEMINI_API_KEY": "key"},
            "https://generativelanguage.googleapis.com/v1beta (x-goog-api-key: key)",
        ),
        (
            {"GEMINI_API_KEY": "key", "LONGHAUL_API_VERSION": "v1"},
            "https://generativelanguage.googleapis.com/v1 (x-goog-api-key: key)",
        ),
        (
            {"LONGHAUL_API_BASE_URL": "http://127.0.0.1:8089/"},
            "http://127.0.0.1:8089/v1beta (x-goog-api-key: emulator)",
        ),
        (
            {"LONGHAUL_API_BASE_URL": "http://127.0.0.1:8089", "GEMINI_API_KEY": "key"},
            "http://127.0.0.1:8089/v1beta (x-goog-api-key: key)",
        ),
        (
            {"LONGHAUL_VERTEX_PROJECT": "p", "LONGHAUL_VERTEX_TOKEN": "t", "GEMINI_API_KEY": "key"},
            "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global (authorization: Bearer t)",
        ),
        (
            {
                "LONGHAUL_VERTEX_PROJECT": "p",
                "LONGHAUL_VERTEX_TOKEN": "t",
                "LONGHAUL_VERTEX_LOCATION": "eu",
                "LONGHAUL_API_VERSION": "v1",
            },
            "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu (authorization: Bearer t)",
        ),
    ],
)
def test_settings_say_where_the_api_is(environ: dict[str, str], expected: str) -> None:
    """Google's own address, one of ours, or a project on Vertex AI."""
    assert config_for(**environ) == expected


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "GEMINI_API_KEY: not set; set it, or point LONGHAUL_API_BASE_URL at an emulator"),
        (
            {"LONGHAUL_VERTEX_PROJECT": "p", "GEMINI_API_KEY": "key"},
            "LONGHAUL_VERTEX_TOKEN: not set, and LONGHAUL_VERTEX_PROJECT needs it",
        ),
        ({"GEMINI_API_KEY": "two words"}, "GEMINI_API_KEY: must be printable ASCII without spaces"),
        (
            {"LONGHAUL_VERTEX_PROJECT": "p/../q", "LONGHAUL_VERTEX_TOKEN": "t"},
            "LONGHAUL_VERTEX_PROJECT: must be a name of letters",
        ),
        (
            {"LONGHAUL_API_BASE_URL": "http://host/?key=k"},
            "LONGHAUL_API_BASE_URL: must carry no user, query or fragment",
        ),
    ],
)
def test_what_is_missing_is_said_with_its_variable(environ: dict[str, str], message: str) -> None:
    """The message begins with the variable, says what to do, and never shows the value."""
    with pytest.raises(StartupError) as caught:
        config_for(**environ)
    assert str(caught.value).startswith(message)
    assert "two words" not in str(caught.value)
    assert caught.value.exit_code == EXIT_MISCONFIGURED


@pytest.mark.parametrize(
    "environ",
    [
        {"GEMINI_API_KEY": "the-secret"},
        {"LONGHAUL_VERTEX_PROJECT": "p", "LONGHAUL_VERTEX_TOKEN": "the-secret"},
    ],
)
def test_a_key_is_not_sent_in_clear(environ: dict[str, str]) -> None:
    """Everybody on the way could read it; unless somebody says that this is meant, or it is no key."""
    in_clear = {**environ, "LONGHAUL_API_BASE_URL": "http://api.test"}
    with pytest.raises(StartupError) as caught:
        config_for(**in_clear)
    assert str(caught.value) == (
        "LONGHAUL_API_BASE_URL: the key would be sent in clear over http://; use https://, or set "
        "LONGHAUL_API_ALLOW_HTTP=true if that is meant"
    )
    assert "the-secret" in config_for(**in_clear, LONGHAUL_API_ALLOW_HTTP="true")
    for address in ("https://api.test", "http://127.0.0.1:8089", "http://localhost", "http://[::1]:1"):
        assert "the-secret" in config_for(**{**environ, "LONGHAUL_API_BASE_URL": address})


@pytest.mark.parametrize("key", [{}, {"GEMINI_API_KEY": "emulator"}])
def test_an_emulator_on_another_machine_needs_no_permission(key: dict[str, str]) -> None:
    """As in docker-compose.yml: what stands in for a key is none."""
    assert "emulator)" in config_for(**key, LONGHAUL_API_BASE_URL="http://emulator:8089")


def test_a_proxy_that_is_none_is_said_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a client is made; an API on this machine is asked without proxies."""
    monkeypatch.setenv("HTTPS_PROXY", "foo://user:s3cret@host")
    with pytest.raises(StartupError, match=r"^HTTPS_PROXY: not a proxy that can be used") as caught:
        config_for(GEMINI_API_KEY="key")
    assert "s3cret" not in str(caught.value)
    config_for(GEMINI_API_KEY="key", LONGHAUL_API_BASE_URL="http://127.0.0.1:8089")


def test_a_submission_ends_before_its_activity_does() -> None:
    """A create that outlived its activity would have an unknown outcome for no reason."""
    config = api_config(Settings.from_env({"GEMINI_API_KEY": "key"}))
    assert config.create_timeout_s < SUBMIT_TIMEOUT.total_seconds()
    assert config.call_timeout_s <= CALL_TIMEOUT.total_seconds()


async def test_every_activity_can_have_a_connection() -> None:
    """As many connections as activities: waiting for one would use up a submission's time."""
    config = api_config(Settings.from_env({"GEMINI_API_KEY": "key", "LONGHAUL_MAX_ACTIVITIES": "700"}))
    assert config.max_connections == 700


async def test_a_store_is_ready_before_anything_is_paid(tmp_path: Path) -> None:
    """A place that cannot be written to is refused, with its variable."""
    await open_store(Settings.from_env({"LONGHAUL_HOME": str(tmp_path)}))
    (tmp_path / "file").write_text("in the way")
    for url in (str(tmp_path / "file" / "below"), "nonsense://bucket"):
        with pytest.raises(StartupError, match=r"^LONGHAUL_ARTIFACTS_URL: "):
            await open_store(Settings.from_env({"LONGHAUL_ARTIFACTS_URL": url}))


async def test_a_store_that_ends_with_the_worker_is_not_for_money(tmp_path: Path) -> None:
    """Its journal could tell no other worker what was paid for; an emulator costs nothing."""
    memory = {"LONGHAUL_HOME": str(tmp_path), "LONGHAUL_ARTIFACTS_URL": "memory://"}
    with pytest.raises(
        StartupError, match=r"^LONGHAUL_ARTIFACTS_URL: memory:// .*; set a folder or a bucket$"
    ):
        await open_store(Settings.from_env(memory))
    await open_store(Settings.from_env({**memory, "LONGHAUL_API_BASE_URL": "http://127.0.0.1:8089"}))


def test_a_broken_temporal_file_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal's own configuration is read by its library; its complaint is passed on."""
    file = tmp_path / "temporal.toml"
    file.write_text("[profile.default\n")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    with pytest.raises(StartupError, match=r"TEMPORAL_\*"):
        connection()


def test_temporal_is_local_unless_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any configuration the worker looks where the development server listens."""
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    assert connection().get("target_host") == "localhost:7233"


@pytest.mark.parametrize(
    ("category", "is_traced"),
    [(ApplicationErrorCategory.BENIGN, False), (ApplicationErrorCategory.UNSPECIFIED, True)],
)
def test_only_unexpected_failures_carry_a_stack_trace(
    category: ApplicationErrorCategory, *, is_traced: bool
) -> None:
    """What happens at every look is stored without one; what is a surprise, with."""
    with pytest.raises(ApplicationError) as raised:
        raise ApplicationError("in_progress", type="StillRunning", category=category)
    failure = Failure()
    QuietFailureConverter().to_failure(raised.value, PayloadConverter.default, failure)
    assert bool(failure.stack_trace) is is_traced
    assert failure.message == "in_progress"
    assert failure.application_failure_info.type == "StillRunning"


def test_a_failure_is_written_without_secrets() -> None:
    """Message, causes and the source lines of the stack: whatever raised it, and wherever."""
    redactor = Redactor("hunter-hunter-2")
    with pytest.raises(ValueError, match="with") as raised:
        raise ValueError("with hunter-hunter-2") from KeyError("hunter-hunter-2")
    failure = Failure()
    failure_converter(redactor.text)().to_failure(raised.value, PayloadConverter.default, failure)
    assert failure.message == "with [redacted]"
    assert failure.cause.message == "'[redacted]'"
    assert 'raise ValueError("with [redacted]")' in failure.stack_trace
    assert not redactor.finds(str(failure))


def test_every_credential_of_a_worker_is_blotted_out() -> None:
    """Its own settings, the API's other variable, Temporal's and the store's."""
    environ = {
        "GEMINI_API_KEY": "gemini-key-1",
        "GOOGLE_API_KEY": "google-key-2",
        "LONGHAUL_SECRET_CRM": "Bearer crm-word-3",
        "AWS_SECRET_ACCESS_KEY": "aws-secret-4",
        "AZURE_STORAGE_ACCOUNT_KEY": "azure-key-5",
    }
    connection = ClientConnectConfig(api_key="temporal-key-6")
    redactor = redactor_of(Settings.from_env(environ), connection, environ)
    told = "gemini-key-1 google-key-2 crm-word-3 aws-secret-4 azure-key-5 temporal-key-6"
    assert redactor.text(told) == " ".join(["[redacted]"] * 6)


def test_a_secret_that_is_too_short_to_be_found_is_said() -> None:
    """By its variable, and without its value."""
    settings = Settings.from_env({"LONGHAUL_SECRET_PIN": "1234567", "LONGHAUL_SECRET_CRM": "12345678"})
    with capture_logs() as lines:
        warn_of_short_secrets(settings)
    assert [(line["event"], line["variable"]) for line in lines] == [
        ("secret.not_hidden", "LONGHAUL_SECRET_PIN")
    ]
    assert "1234567" not in str(lines)


def test_a_worker_without_tools_is_a_worker() -> None:
    """No module named, no tool, no complaint."""
    assert len(load_tools(Settings.from_env({}), str)) == 0


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        ("", "has no tools"),
        ("from tools import tool\n@tool\ndef lookup(city): 'Look up.'\n", "'city' has no type hint"),
        ("import pandas_of_nobody\n", "pandas_of_nobody"),
        ("raise SystemExit('not today')\n", "SystemExit: not today"),
        ("def (\n", "SyntaxError"),
    ],
)
def test_a_module_of_tools_that_cannot_be_used_is_said_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, complaint: str
) -> None:
    """A worker that started without its tools would fail runs that were promised them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"bad_{len(module)}"
    (tmp_path / f"{name}.py").write_text(module)
    with pytest.raises(StartupError, match=rf"(?s)^LONGHAUL_TOOLS: .*{re.escape(complaint)}") as caught:
        load_tools(Settings.from_env({"LONGHAUL_TOOLS": name}), str)
    assert caught.value.exit_code == EXIT_MISCONFIGURED


def test_a_missing_module_of_tools_is_said_with_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most often the worker was started in another folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(StartupError, match=re.escape(str(tmp_path))):
        load_tools(Settings.from_env({"LONGHAUL_TOOLS": "nobodys.tools"}), str)
