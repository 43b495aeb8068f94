"""A report that was written to harm its reader, opened in a real browser: nothing leaves, nothing runs."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import async_playwright

from tests.unit.activities.conftest import Setup, checks, interaction, lanes, setup
from tests.unit.activities.test_settle import _output, _settle, _text
from tests.unit.artifacts.naive_readers import READERS

_CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or ""

pytestmark = [pytest.mark.skipif(not _CHROMIUM, reason="Chromium is not installed"), pytest.mark.timeout(240)]

__all__ = ["checks", "lanes", "setup"]
"""The fixtures of the activities' tests, which this one uses, too."""

_SCRIPT: Final = "document.title = 'owned'; fetch('TRACKER/script')"

_TEXT: Final = f"""
# A report

<script>{_SCRIPT}</script><img src=x onerror="{_SCRIPT}">
![pixel](TRACKER/pixel.png) ![pixel][t] <img src=TRACKER/img> <iframe src="TRACKER/frame"></iframe>

[t]: TRACKER/reference.png

| a | b |
|---|---|
| ![cell](TRACKER/cell.png) | [click me](javascript:{_SCRIPT.replace(" ", "%20")}) |

[click me, too][j] <javascript:document.title='owned'> https://a.example/\\<svg onload="{_SCRIPT}">

[j]: java&Tab;script:{_SCRIPT.replace(" ", "%20")}

<style>@import "TRACKER/style";</style><link rel=stylesheet href=TRACKER/link>
<meta http-equiv=refresh content="0; url=TRACKER/refresh"><base href="TRACKER/">
"""

_DRAWING: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" onload="{_SCRIPT}"><image href="TRACKER/svg"/></svg>'
)


def _encoded(text: str, tracker: str) -> str:
    return base64.b64encode(text.replace("TRACKER", tracker).encode()).decode()


@asynccontextmanager
async def _tracker() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that must not be asked: its address, and the first lines of what it was asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield f"http://{host}:{port}", asked


async def _report_in(folder: Path, tracker: str, setup: Setup) -> list[str]:
    """Settle a hostile answer, leave its files in ``folder`` and return their names."""
    media: list[dict[str, Any]] = [
        {"type": "image", "mime_type": mime_type, "data": _encoded(content, tracker)}
        for mime_type, content in (
            ("text/html", f"<!doctype html><title>page</title><script>{_SCRIPT}</script>"),
            ("image/svg+xml", _DRAWING),
            ("image/png", _DRAWING),
            ("application/xhtml+xml", f'<html xmlns="http://www.w3.org/1999/xhtml">{_DRAWING}</html>'),
            ("application/octet-stream", f"<!doctype html><script>{_SCRIPT}</script>\0"),
        )
    ]
    setup.answers(
        interaction(
            steps=[_output(_text(_TEXT.replace("TRACKER", tracker)), *media)], usage={"total_tokens": 1}
        )
    )
    settled = await _settle(setup)
    for ref in settled.artifacts:
        content = await setup.store.get(ref.uri)
        await asyncio.to_thread((folder / ref.name).write_bytes, content)
    return [ref.name for ref in settled.artifacts]


async def test_nothing_leaves_and_nothing_runs(tmp_path: Path, setup: Setup) -> None:
    """Neither in the page, nor in the files beside it, nor in the Markdown with a reader that trusts it."""
    async with _tracker() as (tracker, asked):
        names = await _report_in(tmp_path, tracker, setup)
        assert {"image-1.txt", "image-3.txt", "image-5.bin"} <= set(names)
        markdown = await asyncio.to_thread((tmp_path / "report.md").read_text)
        for number, reader in enumerate(READERS):
            read = f"<!doctype html><meta charset=utf-8>{reader.render(markdown)}"
            await asyncio.to_thread((tmp_path / f"read-{number}.html").write_text, read)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
            )
            page = await browser.new_page(accept_downloads=False)
            for file in ["report.html", *(f"read-{number}.html" for number in range(len(READERS)))]:
                await page.goto((tmp_path / file).as_uri(), wait_until="networkidle")
                assert await page.title() != "owned", file
                assert await page.locator("script, iframe, svg, link, base, style:not(head > *)").count() == 0
                addresses = await page.eval_on_selector_all("a", "links => links.map(link => link.protocol)")
                assert set(addresses) <= {"http:", "https:", "file:"}, file
                images = await page.eval_on_selector_all("img", "images => images.map(image => image.src)")
                assert all(image.startswith(("data:image/", "file:")) for image in images), file
            for name in names:
                if name.endswith((".txt", ".md", ".json")):
                    await page.goto((tmp_path / name).as_uri(), wait_until="networkidle")
                    assert await page.title() != "owned", name
                    assert await page.locator("svg, script, title").count() == 0, name
            await browser.close()
    assert asked == []
