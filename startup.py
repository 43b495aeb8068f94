"""What a worker needs before it can serve; whatever is missing ends it with one line for a person."""

import asyncio
import contextlib
import dataclasses
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.failure.v1 import Failure
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadConverter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from activities.timeouts import CALL_TIMEOUT
from artifacts.errors import ArtifactsError
from artifacts.private import close_home
from artifacts.store import ArtifactStore
from health import loopback_address
from interactions.config import ApiConfig
from interactions.redaction import MIN_SECRET_CHARS, Redactor
from runs.search_attributes import SEARCH_ATTRIBUTES, registration_command
from runs.stores import StoreRef, stores_polling, worker_identity
from settings import Settings, SettingsError
from telemetry import LogLevel, temporal_runtime
from tools import registry
from tools.errors import InvalidTool
from tools.registry import ToolRegistry
from workflows.failure_conversion import TolerantFailureConverter

EXIT_MISCONFIGURED: Final = 2
EXIT_NO_TEMPORAL: Final = 3

_CONNECT_WITHIN_S: Final = 10.0
"""A server that starts along with the worker is up within seconds; past that, whoever started the worker
should hear of it, and a supervisor will start it again."""

_CONNECT_AGAIN_AFTER_S: Final = 0.25

_CHECK_TIMEOUT: Final = timedelta(seconds=10)
"""One question to a server that has just answered."""

_NOT_FOR_MONEY: Final = (
    "memory:// ends with its worker and cannot be shared, so nothing that is paid for may depend on it; "
    "set a folder or a bucket"
)

_NUMBERS: Final = {
    "Text": IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}
"""Search attribute types, by the name the ``temporal`` command gives them."""

_CREDENTIALS: Final = (
    *("GEMINI_API_KEY", "GOOGLE_API_KEY", "LONGHAUL_VERTEX_TOKEN"),
    # Of Temporal; the key may also be in its file.
    *("TEMPORAL_API_KEY", "TEMPORAL_CODEC_AUTH", "TEMPORAL_TLS_CLIENT_KEY_DATA"),
    # Of the artifact store, as obstore reads them.
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_SERVICE_ACCOUNT_KEY"),
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY", "AZURE_CLIENT_SECRET"),
    *("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY", "AZURE_STORAGE_TOKEN"),
)
"""Variables of a worker whose values are secrets, besides ``LONGHAUL_SECRET_<NAME>``. Tools see them."""

log = structlog.get_logger()


class StartupError(Exception):
    """Why the worker cannot start, in one line for the person who starts it."""

    def __init__(self, message: str, *, exit_code: int = EXIT_MISCONFIGURED) -> None:
        super().__init__(message)
        self.exit_code: Final = exit_code


def connection() -> ClientConnectConfig:
    """Return where Temporal is, from its own variables and TOML file.

    Raises:
        StartupError: They cannot be read.
    """
    try:
        connection = ClientConfig.load_client_connect_config()
    except Exception as error:  # noqa: BLE001 - whatever a TOML file or a variable can do to the loader
        raise StartupError(f"Temporal's configuration (TEMPORAL_* or temporal.toml): {error}") from None
    connection.setdefault("target_host", "localhost:7233")
    return connection


def redactor_of(settings: Settings, connection: ClientConnectConfig, environ: Mapping[str, str]) -> Redactor:
    """Return what takes this worker's secrets out of whatever leaves it."""
    return Redactor(*_secrets_in(settings, connection, environ))


def _secrets_in(
    settings: Settings, connection: ClientConnectConfig, environ: Mapping[str, str]
) -> Iterator[str]:
    for name in _CREDENTIALS:
        yield environ.get(name, "")
    yield str(connection.get("api_key") or "")
    for key in (settings.api_key, settings.vertex_token, *settings.secrets.values()):
        if key is not None:
            yield key.get_secret_value()


def warn_of_short_secrets(settings: Settings) -> None:
    """Log which secrets are too short to be told from words, and so are not taken out of anything."""
    for name, secret in settings.secrets.items():
        if 0 < len(secret.get_secret_value()) < MIN_SECRET_CHARS:
            log.warning(
                "secret.not_hidden",
                variable=f"LONGHAUL_SECRET_{name}",
                shortest_hidden_chars=MIN_SECRET_CHARS,
            )


def api_config(settings: Settings) -> ApiConfig:
    """Return how a worker is to reach the API.

    Raises:
        StartupError: There is no credential, or a value cannot be used.
    """
    try:
        config = settings.api_config()
    except SettingsError as error:
        raise StartupError(str(error)) from None
    return config.model_copy(
        update={
            "call_timeout_s": CALL_TIMEOUT.total_seconds(),
            "create_timeout_s": CALL_TIMEOUT.total_seconds(),
            # An activity that waited for a connection would use up its time for nothing.
            "max_connections": settings.max_activities,
        }
    )


def load_tools(settings: Settings, redact: Callable[[str], str]) -> ToolRegistry:
    """Return the function tools of this worker.

    Raises:
        StartupError: A module of tools is not there or cannot be imported, or a function in it cannot be one.
    """
    try:
        return registry.load_tools(settings.tools, redact=redact)
    except InvalidTool as error:
        raise StartupError(f"LONGHAUL_TOOLS: {error}") from None


async def open_store(settings: Settings) -> ArtifactStore:
    """Return the artifact store, once it has been written to and read, and has an identity.

    What is kept below ``LONGHAUL_HOME`` is taken from other users of the machine first. A folder elsewhere is
    left as it is, and said: it may be open on purpose.

    Raises:
        StartupError: It cannot be used, or not for what costs money.
    """
    still_open = await asyncio.to_thread(close_home, settings.home)
    if still_open:
        log.warning("home.open_to_others", path=str(still_open[0]), more=len(still_open) - 1)
    try:
        store = ArtifactStore.open(settings.artifacts_url)
        if settings.is_paid and not store.is_shared:
            raise StartupError(f"LONGHAUL_ARTIFACTS_URL: {_NOT_FOR_MONEY}")
        await store.check()
        await store.identity()
    except ArtifactsError as error:
        raise StartupError(f"LONGHAUL_ARTIFACTS_URL: {error}") from None
    if store.is_open_to_others:
        log.warning("artifacts.open_to_others", artifacts=store.base_uri, remedy="chmod -R go= FOLDER")
    return store


def runtime(level: LogLevel) -> tuple[Runtime, str]:
    """Return the Temporal runtime, and where its core serves metrics.

    Raises:
        StartupError: No loopback port can be had.
    """
    for _ in range(3):  # another process may take the port before the core does
        address = loopback_address()
        with contextlib.suppress(ValueError):
            return temporal_runtime(level=level, metrics_address=address), address
    raise StartupError("no free port on 127.0.0.1 for Temporal's metrics")


class QuietFailureConverter(TolerantFailureConverter):
    """Leaves the stack trace out of expected failures.

    Each look at a run that goes on is one: the trace would be stored every few seconds, and stand in the
    Temporal UI between the run and what the look saw.
    """

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """Write ``exception`` into ``failure``."""
        if isinstance(exception, ApplicationError) and exception.category is ApplicationErrorCategory.BENIGN:
            exception = exception.with_traceback(None)
        super().to_failure(exception, payload_converter, failure)


def failure_converter(redact: Callable[[str], str]) -> type[QuietFailureConverter]:
    """Return the class that writes this worker's failures into history: quiet, and without its secrets.

    A failure's message and stack trace come from whatever a tool, or a library of one, raised.
    """

    class _Converter(QuietFailureConverter):
        def to_failure(
            self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
        ) -> None:
            super().to_failure(exception, payload_converter, failure)
            failure.message = redact(failure.message)
            failure.stack_trace = redact(failure.stack_trace)

    return _Converter


async def connect(
    connection: ClientConnectConfig, runtime: Runtime, redact: Callable[[str], str], *, store: StoreRef
) -> Client:
    """Return a client, waiting a little for a server that is about to be up.

    Args:
        connection: Where the server is.
        runtime: The process's.
        redact: Returns a text without the secrets in it.
        store: The worker's, which its pollers name.

    Raises:
        StartupError: No server answers.
    """
    address = connection.get("target_host", "")
    converter = dataclasses.replace(
        pydantic_data_converter, failure_converter_class=failure_converter(redact)
    )
    reason = None
    # The SDK's own default, and the store.
    identity = worker_identity(f"{os.getpid()}@{socket.gethostname()}", store)
    try:
        async with asyncio.timeout(_CONNECT_WITHIN_S):
            while True:
                try:
                    return await Client.connect(
                        **connection, identity=identity, data_converter=converter, runtime=runtime
                    )
                except RuntimeError as error:
                    if reason is None:
                        log.info("temporal.awaited", temporal=address, for_s=_CONNECT_WITHIN_S)
                    # The core's message wraps the reason in the names of its types.
                    inner = re.search(r'message: "([^"]+)"', str(error))
                    reason = inner[1] if inner else str(error)
                await asyncio.sleep(_CONNECT_AGAIN_AFTER_S)
    except ValueError as error:
        raise StartupError(f"TEMPORAL_ADDRESS: {address}: {error}") from None
    except TimeoutError:
        raise StartupError(
            f"no Temporal server at {address} within {_CONNECT_WITHIN_S:g} s: {reason or 'no answer'}; "
            "set TEMPORAL_ADDRESS, or start one",
            exit_code=EXIT_NO_TEMPORAL,
        ) from None


async def compare_stores(client: Client, store: StoreRef, *, task_queue: str) -> None:
    """Warn if other workers of the task queue keep their files in another store than ``store``.

    Nothing is paid twice for it, but what one of them began and could not end, only one with its store can
    clear up.
    """
    try:
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            ),
            timeout=_CHECK_TIMEOUT,
        )
    except RPCError as error:
        log.warning("stores.uncompared", task_queue=task_queue, error=error.message)
        return
    pollers = [(each.identity, each.last_access_time.ToDatetime(tzinfo=UTC)) for each in answer.pollers]
    others = stores_polling(pollers, now=datetime.now(UTC)) - {store.short_id}
    if others:
        log.warning(
            "store.differs",
            task_queue=task_queue,
            store=store.short_id,
            artifacts=store.address,
            other_stores=sorted(others),
            remedy="give all workers of a task queue the same LONGHAUL_ARTIFACTS_URL",
        )


async def check_namespace(client: Client) -> None:
    """Make sure that runs can be started and found: a namespace, with our search attributes.

    Raises:
        StartupError: One of them is missing; the message says the command that creates it.
    """
    namespace = client.namespace
    try:
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=namespace), timeout=_CHECK_TIMEOUT
        )
        registered = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=namespace), timeout=_CHECK_TIMEOUT
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise StartupError(
                f"TEMPORAL_NAMESPACE: there is no namespace {namespace!r}; create it: "
                f"temporal operator namespace create --namespace {namespace}"
            ) from None
        if error.status is RPCStatusCode.UNAUTHENTICATED:
            raise StartupError(f"TEMPORAL_API_KEY: Temporal refused us: {error.message}") from None
        # Some servers let a worker work but not ask. Then the first run tells.
        log.warning("namespace.unchecked", namespace=namespace, error=error.message)
        return
    kinds = registered.custom_attributes
    for name, kind in SEARCH_ATTRIBUTES.items():
        if name in kinds and kinds[name] != _NUMBERS[kind]:
            # Also where the type is newer than this library, which has no name for it then.
            words = (word for word, number in _NUMBERS.items() if number == kinds[name])
            there = next(words, f"number {int(kinds[name])}")
            raise StartupError(f"search attribute {name} is of type {there}, but has to be {kind}")
    missing = [name for name in SEARCH_ATTRIBUTES if name not in kinds]
    if missing:
        command = registration_command(names=missing, namespace=namespace)
        raise StartupError(f"search attributes are missing: {', '.join(missing)}; create them: {command}")
