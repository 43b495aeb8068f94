"""Temporal as seen from a short-lived client: connecting, and what its errors mean to a person."""

import asyncio
import dataclasses
import functools
import os
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from runs.search_attributes import SEARCH_ATTRIBUTES, registration_command
from runs.stores import POLLER_AGE, stores_polling
from runs.text import first_line
from settings import SettingsError, check_files
from starter.errors import (
    InvalidInput,
    NamespaceNotFound,
    RunNotFound,
    SearchAttributesMissing,
    SetupError,
    StarterError,
    TemporalRefused,
    TemporalUnreachable,
)
from workflows.failure_conversion import TolerantFailureConverter

CONNECT_TIMEOUT: Final = timedelta(seconds=5)
"""A server on the other side of the world answers in under one second; a person waits five."""

RPC_TIMEOUT: Final = timedelta(seconds=5)
"""As above. The calls made here are short; none of them long-polls."""

_MAX_REASON_CHARS: Final = 200
_AWAY: Final = frozenset(
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}
)
"""A client's own time-out arrives as CANCELLED."""

_CONVERTER: Final = dataclasses.replace(
    pydantic_data_converter, failure_converter_class=TolerantFailureConverter
)

_REASONS: Final = (
    ("Connection refused", "connection refused"),
    ("dns error", "its name does not resolve"),
    ("InvalidContentType", "it does not speak TLS"),
    ("certificate", "its TLS certificate is not accepted"),
    ("timed out", "no answer"),
)
"""What the SDK's connection errors say about themselves, in Rust, and what it means."""


async def connect(*, connect_timeout: timedelta = CONNECT_TIMEOUT) -> Client:
    """Connect as Temporal's environment variables and TOML file say.

    Raises:
        SetupError: The configuration cannot be read.
        TemporalUnreachable: Nobody answered in time.
    """
    try:
        check_files(os.environ)
        config = ClientConfig.load_client_connect_config()
    except SettingsError as error:
        raise SetupError(str(error)) from error
    except Exception as error:  # the SDK names no class for what may be wrong in it
        raise SetupError(f"Temporal's configuration cannot be read: {_one_line(error)}") from error
    address = config.setdefault("target_host", "localhost:7233")
    try:
        # The SDK's own connect time-out covers TCP only, not a server that accepts and is silent.
        async with asyncio.timeout(connect_timeout.total_seconds()):
            return await Client.connect(
                **config,
                data_converter=_CONVERTER,
                connect_timeout=connect_timeout,
                runtime=_quiet_runtime(),
            )
    except TimeoutError as error:
        seconds = connect_timeout.total_seconds()
        raise TemporalUnreachable(address, reason=f"no answer within {seconds:g} s") from error
    except (RuntimeError, ValueError) as error:
        raise TemporalUnreachable(address, reason=_why_unreachable(error)) from error


@asynccontextmanager
async def temporal_errors(client: Client, *, run_id: str | None = None) -> AsyncIterator[None]:
    """Turn the SDK's errors inside the block into this package's.

    Args:
        client: Whose address and namespace the message names.
        run_id: The run that the block is about, for when Temporal does not know it.
    """
    try:
        yield
    except RPCError as error:
        raise await _meaning_of(error, client, run_id=run_id) from error


async def missing_search_attributes(client: Client) -> list[str]:
    """Return the search attributes of `runs.search_attributes` that the namespace lacks.

    Raises:
        TemporalError: Temporal could not be asked.
    """
    async with temporal_errors(client):
        answer = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )
    return [name for name in SEARCH_ATTRIBUTES if name not in answer.custom_attributes]


async def check_namespace(client: Client) -> None:
    """Return if the client's namespace exists.

    Raises:
        TemporalError: It does not, or Temporal could not be asked.
    """
    async with temporal_errors(client):
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )


async def has_worker(client: Client, *, task_queue: str) -> bool:
    """Say whether a worker polls ``task_queue`` for workflow tasks, by this machine's clock.

    Raises:
        TemporalError: Temporal could not be asked.
    """
    oldest = datetime.now(UTC) - POLLER_AGE
    return any(polled_at > oldest for _, polled_at in await _pollers(client, task_queue=task_queue))


async def worker_stores(client: Client, *, task_queue: str) -> frozenset[str]:
    """Return the artifact stores of the workers of ``task_queue``, by their short ids.

    Raises:
        TemporalError: Temporal could not be asked.
    """
    return stores_polling(await _pollers(client, task_queue=task_queue), now=datetime.now(UTC))


async def _pollers(client: Client, *, task_queue: str) -> list[tuple[str, datetime]]:
    async with temporal_errors(client):
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            ),
            timeout=RPC_TIMEOUT,
        )
    return [(each.identity, each.last_access_time.ToDatetime(tzinfo=UTC)) for each in answer.pollers]


def unpause_command(workflow_id: str) -> str:
    """Return what lets a workflow go on that somebody has paused."""
    return f"temporal workflow unpause --workflow-id {shlex.quote(workflow_id)}"


@functools.cache
def _quiet_runtime() -> Runtime:
    # The SDK's core otherwise writes its warnings to standard output, in the middle of an answer. What it
    # would say comes as an error, too.
    return Runtime(telemetry=TelemetryConfig(logging=None))


async def _meaning_of(error: RPCError, client: Client, *, run_id: str | None) -> StarterError:
    address = client.service_client.config.target_host
    match error.status:
        case status if status in _AWAY:
            return TemporalUnreachable(address, reason="it stopped answering")
        case RPCStatusCode.NOT_FOUND if _is_about_namespace(error):
            return NamespaceNotFound(client.namespace)
        case RPCStatusCode.NOT_FOUND if run_id is not None:
            return RunNotFound(f"no run {run_id!r} in namespace {client.namespace!r}; see `longhaul list`")
        case RPCStatusCode.FAILED_PRECONDITION if run_id is not None and "is paused" in error.message:
            return InvalidInput(
                f"{run_id} is paused in Temporal; let it go on first with `{unpause_command(run_id)}`"
            )
        case RPCStatusCode.INVALID_ARGUMENT if "search attribute" in error.message:
            return await _search_attributes_missing(error, client)
        case _:
            return TemporalRefused(
                f"Temporal at {address} (namespace {client.namespace!r}) refused: {_one_line(error)}"
            )


async def _search_attributes_missing(error: RPCError, client: Client) -> StarterError:
    try:
        names = await missing_search_attributes(client)
    except StarterError:
        # Who may start workflows need not be allowed to list attributes; the refusal names one at least.
        names = []
    names = names or [name for name in SEARCH_ATTRIBUTES if name in error.message]
    if not names:
        return TemporalRefused(f"Temporal refused: {_one_line(error)}")
    command = registration_command(names=names, namespace=client.namespace)
    return SearchAttributesMissing(names, namespace=client.namespace, command=command)


def _is_about_namespace(error: RPCError) -> bool:
    return any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)


def _why_unreachable(error: Exception) -> str:
    text = str(error)
    for sign, meaning in _REASONS:
        if re.search(sign, text, re.IGNORECASE):
            return meaning
    return _one_line(text.removeprefix("Failed client connect: "))


def _one_line(error: Exception | str) -> str:
    return first_line(str(error), max_chars=_MAX_REASON_CHARS) or type(error).__name__
