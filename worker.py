"""The worker: serves one Temporal task queue until it is told to stop.

SIGTERM or SIGINT drains it: it takes no more work, lets submissions under way learn their outcome, and
exits with 0. A second signal ends it at once, and so does the end of the time that a drain may take, with 1.
Configured by the environment; see .env.example.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from typing import Any, Final, NoReturn

import structlog
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.envconfig import ClientConnectConfig
from temporalio.worker import FixedSizeSlotSupplier, Worker, WorkerDeploymentConfig, WorkerTuner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

import startup
from activities.attaching import AttachingActivities
from activities.interaction_activities import InteractionActivities
from activities.settling import SettlesWith
from activities.submitting import SubmitsWith
from activities.text_activities import TextActivities
from activities.tool_activities import ToolActivities
from activities.tool_threads import ToolThreads
from health import MAIN_LOOP, TOOLS_LOOP, Health, listen, serving, url_of
from interactions.client import InteractionsClient
from interactions.redaction import Redactor
from isolation import linux
from isolation.lanes import Lanes
from isolation.pool import Pool
from prefetch import BoundedPrefetch
from printing import CapturedPrints
from runs.queues import submissions_of, tools_of
from settings import Settings, SettingsError
from startup import StartupError
from telemetry import configure_logging
from watchdog import Watchdog
from workflows.registry import WORKFLOWS

EXIT_CRASHED: Final = 1

_DRAIN_MARGIN: Final = timedelta(seconds=5)
"""For what activities say when they are cancelled to reach Temporal."""

_QUICK_PROCESSES: Final = max(2, min(4, os.cpu_count() or 2))
"""In which answers are worked up, each for a twentieth of a second. Two at the least: where one is busy with
what never ends, the other goes on."""

_STORE_THREADS: Final = 32
"""For the files of submissions, and as many for all others: they wait for a disk."""

log = structlog.get_logger()


def build_worker(
    client: Client,
    *,
    settings: Settings,
    task_queue: str,
    workflows: Sequence[type] = (),
    activities: Sequence[Callable[..., Any]],
) -> Worker:
    """Return a worker set up the way ours are; what it serves is the caller's.

    Args:
        client: Whose data converter is pydantic's.
        settings: Of these, how much is served at once, and how long it may take to stop.
        task_queue: Which it serves.
        workflows: Workflow classes.
        activities: Activity functions, or bound methods.
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=activities,
        workflow_runner=SandboxedWorkflowRunner(
            # A module that slips into the sandbox unnamed is loaded anew for every run: slow, and its
            # classes are not those of the rest of the process. Better an error on the first run of a test.
            restrictions=SandboxRestrictions.default.with_import_notification_policy(
                SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
                | SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
            )
        ),
        max_cached_workflows=settings.max_cached_workflows,
        tuner=WorkerTuner.create_composite(
            # An activity waits for the API nearly all its time, so many fit; a workflow task is milliseconds
            # of Python under one lock, where more at once only wait for each other.
            activity_supplier=BoundedPrefetch(settings.max_activities),
            workflow_supplier=FixedSizeSlotSupplier(20),
            # There are none of these.
            local_activity_supplier=FixedSizeSlotSupplier(1),
            nexus_supplier=FixedSizeSlotSupplier(1),
        ),
        # Pollers stay at the default of five each: a run asks for one task in 5 to 30 s, and five open
        # requests carry hundreds a second, on every version of the server.
        #
        # How long a killed worker's runs wait for a task that only it would get; 10 s by default.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
        # A cancel reaches an activity only with the answer to a heartbeat, and people watch sightings
        # arrive; by default both may take 0.8 of the heartbeat time-out, up to a minute. And what is held
        # back here is taken from what a busy worker may be late with the beats of a look.
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
        # Nothing is worse than to end a worker between sending a submission and learning its id. What is
        # cancelled then needs a moment, before the watchdog ends the process.
        graceful_shutdown_timeout=max(
            timedelta(0), timedelta(seconds=settings.stop_within_s) - _DRAIN_MARGIN
        ),
        # Names the release in the UI's list of workers; the default hashes every module, for 130 ms.
        deployment_config=WorkerDeploymentConfig(
            version=WorkerDeploymentVersion("longhaul", version("longhaul")), use_worker_versioning=False
        ),
    )


def main() -> NoReturn:
    """Run the worker as a process of its own; never returns."""
    argparse.ArgumentParser(prog="python -m worker", description=__doc__).parse_args()
    watchdog = Watchdog(end=_exit)
    linux.end_forks_with_this()
    redactor = Redactor()
    try:
        settings = Settings.from_env(os.environ)
        connection = startup.connection()
        redactor = startup.redactor_of(settings, connection, os.environ)
        # Before a tool is imported, which may print as well.
        prints = CapturedPrints(redact=redactor.text, longest_chars=redactor.longest_chars)
        configure_logging(
            level=settings.log_level,
            log_format=settings.log_format,
            redact=redactor.text,
            stream=prints.log_stream,
        )
        asyncio.run(_serve(settings, connection, redactor, prints, watchdog))
    except SettingsError as error:
        _fail(redactor.text(str(error)), exit_code=startup.EXIT_MISCONFIGURED)
    except StartupError as error:
        _fail(redactor.text(str(error)), exit_code=error.exit_code)
    except Exception:
        log.exception("worker.crashed")
        _exit(EXIT_CRASHED)
    _exit(0)


async def _serve(
    settings: Settings,
    connection: ClientConnectConfig,
    redactor: Redactor,
    prints: CapturedPrints,
    watchdog: Watchdog,
) -> None:
    """Serve the task queue until a stop is requested.

    Raises:
        SettingsError: The prices cannot be read.
        StartupError: Something else the worker needs is not there.
    """
    began_at = time.perf_counter()
    startup.warn_of_short_secrets(settings)
    prices = settings.prices()
    registry = startup.load_tools(settings, redactor.text)
    api = startup.api_config(settings)
    try:
        listener = listen(settings.health_address)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # what follows repeats the address
        raise StartupError(
            f"LONGHAUL_HEALTH_ADDRESS: cannot listen on {settings.health_address}: {reason}"
        ) from None
    store = await startup.open_store(settings)
    runtime, metrics_address = startup.runtime(settings.log_level)
    identity = await store.identity()
    client = await startup.connect(connection, runtime, redactor.text, store=identity)
    await startup.check_namespace(client)
    await startup.compare_stores(client, identity, task_queue=settings.task_queue)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    threads = ToolThreads(max_calls=settings.max_activities)
    health = Health(task_queue=settings.task_queue, meter=runtime.metric_meter)
    health.watch_loop(MAIN_LOOP, watchdog.watch(loop))
    health.watch_loop(TOOLS_LOOP, watchdog.watch(threads.loop))
    health.watch(lambda: threads.problem)
    async with contextlib.AsyncExitStack() as opened:
        enter = opened.enter_async_context
        lanes = await enter(contextlib.aclosing(Lanes(quick=_QUICK_PROCESSES)))
        checks = await enter(contextlib.aclosing(Pool("checks", processes=1)))
        secrets = settings.secrets.values()
        interactions = await enter(InteractionsClient(api, secrets=secrets))
        submitter = SubmitsWith(
            # Connections and threads of its own, so that neither is short because of what others wait for.
            client=await enter(InteractionsClient(api, secrets=secrets)),
            store=store.with_threads(_threads("journal")),
            checks=checks,
            secrets=settings.tool_secrets,
            prices=prices,
        )
        store = store.with_threads(_threads("store"))
        activities = InteractionActivities(
            interactions,
            submitter,
            SettlesWith(store=store, lanes=lanes, prices=prices),
            pacing=settings.pacing,
        )
        tools = ToolActivities(
            registry, store, threads=threads, redactor=redactor, on_called=prints.end_lines
        )
        texts = TextActivities(store, tools)
        await enter(
            serving(
                health,
                listener=listener,
                metrics_address=metrics_address,
                probe=lambda: client.workflow_service.get_system_info(GetSystemInfoRequest()),
                journal=submitter.store.probe,
            )
        )
        build = partial(build_worker, client, settings=settings)
        submissions, calls = submissions_of(settings.task_queue), tools_of(settings.task_queue)
        await enter(build(task_queue=submissions, activities=activities.submitting()))
        await enter(build(task_queue=calls, activities=[tools.call_tool, texts.call_tool_for_step]))
        await enter(
            build(
                task_queue=settings.task_queue,
                workflows=WORKFLOWS,
                # All of them: runs that began under an earlier version ask for them here.
                activities=activities.all() + tools.all() + texts.all() + AttachingActivities().all(),
            )
        )
        watchdog.drain_with(lambda: loop.call_soon_threadsafe(stop.set), within_s=settings.stop_within_s)
        # Now, so that the first answers do not wait for it; and not before, so that nothing else does.
        lanes.warm_up()
        log.info(
            "worker.started",
            task_queue=settings.task_queue,
            namespace=client.namespace,
            temporal=client.service_client.config.target_host,
            api=api.root_url,
            artifacts=settings.artifacts_url,
            store=identity.short_id,
            tools=len(registry),
            secrets={name: list(map(str, hosts)) for name, hosts in settings.hosts_by_secret.items()},
            health=f"{url_of(listener)}/healthz",
            version=version("longhaul"),
            startup_ms=round((time.perf_counter() - began_at) * 1000),
        )
        await stop.wait()
        health.drain()
    log.info("worker.stopped")
    # Now, and not after the threads that the event loop would wait for: one of them may be stuck.
    _exit(0)


def _threads(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix=name)


def _fail(message: str, *, exit_code: int) -> NoReturn:
    # As it was before prints were captured: this is for a person, not for the log.
    print(f"longhaul worker: {' '.join(message.split())}", file=sys.__stderr__)
    _exit(exit_code)


def _exit(exit_code: int) -> NoReturn:
    # Temporal's core has threads that crash an interpreter which is taking itself down, in one of seven
    # exits (temporalio/sdk-python#300); so it is not given the time.
    for stream in filter(None, (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # Programs that tools have started: nobody waits for what they make any more.
    linux.kill_children()
    os._exit(exit_code)


if __name__ == "__main__":
    main()
