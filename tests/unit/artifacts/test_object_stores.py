"""Servers of other people's that speak S3 or Azure, as buckets: what they do with "only if absent"."""

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx2 as httpx
import pytest

from artifacts.errors import StoreUnavailable
from artifacts.store import ArtifactStore
from starter.processes import tied
from tests.dev_server import free_port

_NODE: Final = shutil.which("node") or ""
_NODE_MODULES: Final = Path(__file__).parents[2] / "object_stores/node_modules"

_READY_WITHIN_S: Final = 60.0
"""They listen after about two seconds on two idle cores; the rest is for a busy machine."""

_ACCOUNT: Final = "devstoreaccount1"
_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, which everybody knows (https://learn.microsoft.com/azure/storage/common/storage-use-azurite)."""


def _npm(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not _NODE or not (_NODE_MODULES / package).exists(),
        reason=f"needs Node.js and {package}: `npm install` in tests/object_stores, which .ci/run does",
    )


@contextmanager
def _running(command: Sequence[str], *, port: int) -> Iterator[None]:
    process = subprocess.Popen(tied(list(command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    give_up_at = time.monotonic() + _READY_WITHIN_S
    try:
        while not _listens(port):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < give_up_at, f"{command[0]} does not listen"
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _use_s3(monkeypatch: pytest.MonkeyPatch, *, port: int) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "S3RVER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "S3RVER")


@_npm("s3rver")
async def test_a_server_that_ignores_the_condition_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """s3rver 3.7.1 lets a second create replace the first: two workers would both be told to send."""
    port = free_port()
    command = [_NODE, str(_NODE_MODULES / "s3rver/bin/s3rver.js"), "--directory", str(tmp_path)]
    command += ["--address", "127.0.0.1", "--port", str(port), "--configure-bucket", "bucket", "--silent"]
    _use_s3(monkeypatch, port=port)
    with _running(command, port=port):
        store = ArtifactStore.open("s3://bucket/prefix")
        with pytest.raises(StoreUnavailable, match="a second create was not refused") as caught:
            await store.check()
        assert await store.list() == ()
    assert caught.value.is_final
    assert "\n" not in str(caught.value)


async def test_a_server_that_keeps_the_condition_passes_as_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto answers the second create as S3 does."""
    port = free_port()
    _use_s3(monkeypatch, port=port)
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with _running(command, port=port):
        httpx.put(f"http://127.0.0.1:{port}/bucket", trust_env=False).raise_for_status()
        await _passes(ArtifactStore.open("s3://bucket/prefix"))


@_npm("azurite")
async def test_a_server_that_keeps_the_condition_passes_as_azure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Azurite answers the second create as Azure does."""
    port = free_port()
    command = [_NODE, str(_NODE_MODULES / "azurite/dist/src/blob/main.js"), "--location", str(tmp_path)]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent", "--skipApiVersionCheck"]
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", _ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", _KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:{port}/{_ACCOUNT}")
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    with _running(command, port=port):
        _make_container(port)
        await _passes(ArtifactStore.open("az://container/prefix"))


async def _passes(store: ArtifactStore) -> None:
    await store.check()
    assert await store.list() == ()
    assert await store.put_if_absent("run/sending", b"first")
    assert not await store.put_if_absent("run/sending", b"second")
    assert await store.get("run/sending") == b"first"


def _make_container(port: int) -> None:
    """Make a container, which is for whoever pays for it to do, and not for a store."""
    at = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    version = "2021-12-02"
    # The order of https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    signed = (
        f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{at}\nx-ms-version:{version}\n"
        f"/{_ACCOUNT}/{_ACCOUNT}/container\nrestype:container"
    )
    digest = hmac.new(base64.b64decode(_KEY), signed.encode(), hashlib.sha256).digest()
    httpx.put(
        f"http://127.0.0.1:{port}/{_ACCOUNT}/container?restype=container",
        headers={
            "x-ms-date": at,
            "x-ms-version": version,
            "authorization": f"SharedKey {_ACCOUNT}:{base64.b64encode(digest).decode()}",
            "content-length": "0",
        },
        trust_env=False,
    ).raise_for_status()
