"""What a chain reads here and sends, and to whom.

Told before it is started, since somebody else may have written it.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from chains.files import is_file
from chains.plan import function_names_of
from chains.spec import Ask, ChainSpec, Research
from runs.messages import Attachment
from runs.tools import McpServerTool
from settings import Settings
from starter import formats
from starter.attachments import LocalFile
from starter.chain_files import ChainFile
from starter.views import ChainReach, ReachedServer, SentFile


def reach_of(file: ChainFile, settings: Settings) -> ChainReach:
    """Return what ``file`` reads and sends.

    Args:
        file: The chain, with the files that it attaches.
        settings: Say where the API is, unless the worker's say something else.
    """
    servers = dict.fromkeys(
        ReachedServer(name=tool.name, host=urlsplit(tool.url).netloc.rpartition("@")[2], secret=tool.secret)
        for tool in _servers_of(file.spec)
    )
    return ChainReach(
        api_host=settings.api_host,
        files=tuple(
            SentFile(name=name, size_bytes=len(local.content))
            for name, local in file.attached.items()
            if isinstance(local, LocalFile)
        ),
        addresses=tuple(dict.fromkeys(_addresses_of(file.spec))),
        mcp_servers=tuple(servers),
        functions=function_names_of(file.spec),
    )


def lines_of(reach: ChainReach) -> Iterator[str]:
    """Yield what to tell a person of it; nothing where only prompts are sent."""
    if reach.files:
        named = ", ".join(f"{each.name} ({formats.size(each.size_bytes)})" for each in reach.files)
        # Only the worker knows for certain; it may run elsewhere.
        yield f"reads and sends to {reach.api_host}, unless the worker has another API: {named}"
    if reach.addresses:
        yield f"has {reach.api_host} fetch: {', '.join(reach.addresses)}"
    for server in reach.mcp_servers:
        secret = f" with LONGHAUL_SECRET_{server.secret}" if server.secret else ""
        yield f"lets {reach.api_host} call MCP server {server.name} at {server.host}{secret}"
    if reach.functions:
        yield f"calls functions of the workers: {', '.join(reach.functions)}"


def _servers_of(spec: ChainSpec) -> Iterator[McpServerTool]:
    for step in spec.steps.values():
        if isinstance(step.action, Research | Ask):
            yield from (tool for tool in step.action.tools if isinstance(tool, McpServerTool))


def _addresses_of(spec: ChainSpec) -> Iterator[str]:
    for step in spec.steps.values():
        if isinstance(step.action, Research | Ask):
            for attached in step.action.attach:
                if isinstance(attached, Attachment):
                    yield attached.uri
                elif not is_file(attached):
                    yield attached
