import socket
from datetime import timedelta
from pathlib import Path

import pytest

from starter.errors import SetupError, TemporalUnreachable
from starter.temporal import connect


@pytest.fixture(autouse=True)
def no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's own configuration out."""
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", "/dev/null")


@pytest.mark.parametrize(
    ("address", "reason"),
    [("127.0.0.1:1", "connection refused"), ("nobody.invalid:7233", "its name does not resolve")],
)
async def test_an_address_where_nobody_is_says_why(
    monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    """A person reads the address and a reason, not what a library says about itself."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    with pytest.raises(TemporalUnreachable) as caught:
        await connect()
    assert (caught.value.address, caught.value.reason) == (address, reason)


async def test_a_server_that_accepts_and_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting has a bound even where TCP connects: nobody stares at a command that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TemporalUnreachable, match=r"no answer within 0\.2 s"):
            await connect(connect_timeout=timedelta(seconds=0.2))


async def test_a_configuration_that_cannot_be_read_is_a_matter_of_setup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A broken file is told as such, before anybody is asked."""
    (tmp_path / "temporal.toml").write_text("this is = = no TOML")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    with pytest.raises(SetupError, match="Temporal's configuration cannot be read"):
        await connect()
