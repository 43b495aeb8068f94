"""``longhaul doctor``: everything a run needs, looked at once."""

import os
from collections.abc import Awaitable, Collection
from typing import Final

import httpx2 as httpx
from temporalio.client import Client

from artifacts.errors import ArtifactsError
from artifacts.store import ArtifactStore
from interactions.faults import LIBRARY_ERRORS
from runs.messages import DEFAULT_AGENT, MAX_AGENT
from runs.search_attributes import registration_command
from settings import Settings, SettingsError
from starter import formats
from starter.errors import ExitCode, StarterError, TemporalError
from starter.output import Output
from starter.temporal import (
    check_namespace,
    connect,
    has_worker,
    missing_search_attributes,
    worker_stores,
)
from starter.views import Check, Diagnosis

_API_TIMEOUT_S: Final = 10.0
"""A GET of nothing is answered in well under a second."""

_NO_INTERACTION: Final = "longhaul-doctor"
"""Nobody's interaction: asking for it costs nothing and only shows whether the key is taken."""

_START_ALL: Final = "start everything on this machine with `longhaul dev`"


async def doctor(*, output: Output) -> ExitCode:
    """Look at everything, print what was found, and exit with 1 if something is not in order."""
    checks = await _checks()
    diagnosis = Diagnosis(is_ok=all(check.is_ok for check in checks), checks=tuple(checks))
    if output.as_json:
        output.json(diagnosis)
    else:
        for check in checks:
            _print(check, output)
    return ExitCode.DONE if diagnosis.is_ok else ExitCode.RUN_FAILED


def _print(check: Check, output: Output) -> None:
    mark = {True: "ok", False: "NO", None: "?"}[check.is_ok]
    output.line(f"{mark:<3} {check.name}: {formats.one_line(check.detail)}")
    if check.remedy:
        output.line(f"      -> {check.remedy}")


async def _checks() -> list[Check]:
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        broken = Check(name="settings", is_ok=False, detail=str(error), remedy="see .env.example")
        return [broken]
    checks = [Check(name="settings", is_ok=True, detail="can be used")]
    checks += await _temporal_checks(settings)
    is_served = next(check.is_ok for check in checks if check.name == "worker") is True
    checks.append(await _api_check(settings, is_served=is_served))
    checks += _secret_checks(settings)
    checks.append(await _store_check(settings))
    checks.append(_price_check(settings))
    return checks


async def _temporal_checks(settings: Settings) -> list[Check]:
    try:
        client = await connect()
    except StarterError as error:
        unknown = [
            Check(name=name, is_ok=None, detail="not looked at: Temporal cannot be reached")
            for name in ("namespace", "search attributes", "worker")
        ]
        reached = Check(name="Temporal", is_ok=False, detail=str(error), remedy=_START_ALL)
        return [reached, *unknown]
    address = client.service_client.config.target_host
    return [
        Check(name="Temporal", is_ok=True, detail=f"answers at {address}"),
        await _checked("namespace", _namespace_check(client)),
        await _checked("search attributes", _attributes_check(client)),
        await _checked("worker", _worker_check(client, settings)),
    ]


async def _checked(name: str, looking: Awaitable[Check]) -> Check:
    """Return what ``looking`` finds, also when Temporal refuses to say."""
    try:
        return await looking
    except TemporalError as error:
        return Check(name=name, is_ok=False, detail=str(error))


async def _namespace_check(client: Client) -> Check:
    await check_namespace(client)
    return Check(name="namespace", is_ok=True, detail=client.namespace)


async def _attributes_check(client: Client) -> Check:
    missing = await missing_search_attributes(client)
    if missing:
        return Check(
            name="search attributes",
            is_ok=False,
            detail=f"missing: {', '.join(missing)}",
            remedy=registration_command(names=missing, namespace=client.namespace),
        )
    return Check(name="search attributes", is_ok=True, detail="all registered")


async def _worker_check(client: Client, settings: Settings) -> Check:
    queue = settings.task_queue
    if await has_worker(client, task_queue=queue):
        return _verdict_on_workers(await worker_stores(client, task_queue=queue), queue=queue)
    return Check(
        name="worker",
        is_ok=False,
        detail=f"none polls task queue {queue!r}",
        remedy="start one with `longhaul worker`, or set LONGHAUL_TASK_QUEUE to the queue it polls",
    )


def _verdict_on_workers(stores: Collection[str], *, queue: str) -> Check:
    detail = f"polls task queue {queue!r}"
    if len(stores) > 1:
        return Check(
            name="worker",
            is_ok=False,
            detail=f"{detail}; workers with different artifact stores do: {', '.join(sorted(stores))}",
            remedy="give all workers of a task queue the same LONGHAUL_ARTIFACTS_URL",
        )
    return Check(name="worker", is_ok=True, detail="; its artifact store is ".join([detail, *stores]))


async def _api_check(settings: Settings, *, is_served: bool) -> Check:
    """Look at the key of this environment.

    Args:
        settings: Of this process.
        is_served: Whether a worker runs, which has its own settings and is the one who needs a key.
    """
    name = "API key"
    has_credential = settings.api_key if settings.vertex_project is None else settings.vertex_token
    try:
        # That there is none is told below, with what to do.
        config = settings.api_config() if has_credential or not settings.is_paid else None
    except SettingsError as error:
        return Check(name=name, is_ok=False, detail=str(error), remedy="see .env.example")
    if settings.vertex_project is not None:
        has_token = settings.vertex_token is not None
        return Check(
            name=name,
            is_ok=has_token,
            detail=f"Vertex AI, project {settings.vertex_project}; "
            + ("a token is set (not tried)" if has_token else "no token is set"),
            remedy=None if has_token else "export LONGHAUL_VERTEX_TOKEN=$(gcloud auth print-access-token)",
        )
    if config is None:
        if is_served:
            return Check(
                name=name, is_ok=True, detail="none is set here; the worker goes by its own settings"
            )
        return Check(
            name=name,
            is_ok=False,
            detail="none is set",
            remedy="export GEMINI_API_KEY=… (https://aistudio.google.com/apikey), or use `longhaul dev`, "
            "which needs none",
        )
    url = f"{config.root_url}/interactions/{_NO_INTERACTION}"
    try:
        async with httpx.AsyncClient(timeout=_API_TIMEOUT_S, trust_env=not config.is_loopback) as client:
            # In a header, never in the address: addresses are logged.
            response = await client.get(url, headers=config.auth_headers())
    except LIBRARY_ERRORS as error:
        reason = formats.one_line(str(error)) or type(error).__name__
        return Check(
            name=name,
            is_ok=False,
            detail=f"the API at {settings.base_url} cannot be reached: {reason}",
            remedy="see LONGHAUL_API_BASE_URL and the network",
        )
    return _verdict(response, settings, name=name)


def _verdict(response: httpx.Response, settings: Settings, *, name: str) -> Check:
    if response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN} or (
        # Google's gateway answers a key that is none with 400.
        response.status_code == httpx.codes.BAD_REQUEST and "api key" in response.text.lower()
    ):
        return Check(
            name=name,
            is_ok=False,
            detail=f"not accepted by {settings.base_url} (HTTP {response.status_code})",
            remedy="set GEMINI_API_KEY to a key that is valid there",
        )
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Check(
            name=name,
            is_ok=None,
            detail=f"{settings.base_url} answers with HTTP {response.status_code}; try again later",
        )
    return Check(name=name, is_ok=True, detail=f"accepted by {settings.base_url}")


def _secret_checks(settings: Settings) -> list[Check]:
    """Say which secrets of remote tools there are, and who may have them; nothing where there is none."""
    if not settings.secrets:
        return []
    bound = (
        f"{name} for {', '.join(map(str, hosts))}" if hosts else f"{name} for no MCP server"
        for name, hosts in settings.hosts_by_secret.items()
    )
    return [Check(name="secrets", is_ok=True, detail="; ".join(bound))]


async def _store_check(settings: Settings) -> Check:
    name = "artifact store"
    where = formats.place(settings.artifacts_url)
    try:
        store = ArtifactStore.open(settings.artifacts_url)
        await store.check()
        identity = await store.identity()
    except ArtifactsError as error:
        return Check(
            name=name,
            is_ok=False,
            detail=f"{where}: {error}",
            remedy="make it writable, or set LONGHAUL_ARTIFACTS_URL to a place that is",
        )
    if settings.is_paid and not store.is_shared:
        return Check(
            name=name,
            is_ok=False,
            detail=f"{where}: it ends with its process, and cannot be shared; the worker refuses it",
            remedy="set LONGHAUL_ARTIFACTS_URL to a folder or a bucket",
        )
    is_open = "; other users of this machine may look into it" if store.is_open_to_others else ""
    detail = f"{where} can be written; it is store {identity.short_id}{is_open}"
    return Check(name=name, is_ok=True, detail=detail)


def _price_check(settings: Settings) -> Check:
    name = "prices"
    try:
        prices = settings.prices()
    except SettingsError as error:
        return Check(
            name=name, is_ok=False, detail=str(error), remedy="see runs/prices.toml for what it looks like"
        )
    missing = [agent for agent in (DEFAULT_AGENT, MAX_AGENT) if agent not in prices.usd_per_million]
    if missing:
        return Check(name=name, is_ok=False, detail=f"none for {', '.join(missing)}")
    known = formats.count(len(prices.usd_per_million), "agent")
    return Check(name=name, is_ok=True, detail=f"estimates for {known}")
