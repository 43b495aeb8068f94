"""Many runs in flight on one worker, each looked at every second: how far one process carries.

Run::

    python -m benchmarks.in_flight            # 200 runs of 20 s
    python -m benchmarks.in_flight --profile  # and where the worker's time goes; slower by a third

Server, emulator and worker are processes on this machine, so what is limited first may be the machine;
the CPU column tells the worker from the others. Between two looks a run is only a timer on the server.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from temporalio.client import Client

import worker
from runs.phase import Phase
from starter.runs import start_run
from tests.dev_server import running_dev_server
from tests.e2e.stack import Stack, request_for, worker_of
from tests.emulator_server import EmulatorServer

RUN_S: Final = 20.0
TIME_SCALE: Final = 60.0

_AT_ONCE: Final = 20
"""Starts and results asked for at the same time; more would measure this process."""

_ROOT: Final = Path(__file__).parent.parent

_SHOWN: Final = 30

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def rss_mb(pid: int, *, field: str) -> float:
    """Return a process's resident memory: ``VmRSS`` now, ``VmHWM`` at its highest."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


async def measure(stack: Stack, *, runs: int) -> None:
    """Start the runs, wait for all of them, and print what it took."""
    client = await stack.client()
    pids = {"worker": stack.worker.pid, "emulator": stack.emulator.pid, "server": stack.server.pid}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    gate = asyncio.Semaphore(_AT_ONCE)
    began_at = time.monotonic()

    async def start(run_id: str) -> None:
        async with gate:
            request = request_for(run_id, directive=f"duration_s={RUN_S * TIME_SCALE:.0f}")
            await start_run(client, request, run_id=run_id)

    run_ids = [f"run-{number}" for number in range(runs)]
    await asyncio.gather(*(start(run_id) for run_id in run_ids))
    started_s = time.monotonic() - began_at
    ends = await asyncio.gather(*(end_of(client, run_id, gate) for run_id in run_ids))
    wall_s = time.monotonic() - began_at
    completed = sum(phase is Phase.COMPLETED for phase, _, _ in ends)
    events = [count for _, count, _ in ends]
    looks = sum(stack.emulator.submission(run_id)["looks"] for run_id in run_ids)
    took_s = sorted(seconds for _, _, seconds in ends)
    used = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
    rows = {
        "completed": f"{completed} of {runs}",
        "started within": f"{started_s:.1f} s",
        "wall for all": f"{wall_s:.1f} s, {wall_s - RUN_S:.1f} s beyond the {RUN_S:.0f} s of a run",
        "a run took": f"{took_s[len(took_s) // 2]:.1f} s (median), {took_s[-1]:.1f} s (longest)",
        "looks": f"{looks}, {looks / wall_s:.0f} a second",
        "events a run": f"{min(events)} to {max(events)}",
        "worker memory": f"{rss_mb(pids['worker'], field='VmHWM'):.0f} MB at its highest",
        "CPU": ", ".join(f"{name} {seconds:.1f} s" for name, seconds in used.items()),
        "worker CPU a run": f"{1000 * used['worker'] / runs:.0f} ms",
    }
    for name, value in rows.items():
        print(f"{name:<18}{value}")  # noqa: T201 - a report


async def end_of(client: Client, run_id: str, gate: asyncio.Semaphore) -> tuple[Phase, int, float]:
    """Wait for a run's end; return its phase, the events in its history and the seconds it took."""
    handle: Any = client.get_workflow_handle(run_id)
    result = await handle.result()
    async with gate:
        description = await handle.describe()
    took = description.close_time - description.start_time
    return Phase(result["phase"]), description.history_length, took.total_seconds()


def run_worker_profiled(stats_file: Path) -> NoReturn:
    """Be a worker; write where its time went when it is told to stop."""
    # Of processor time, so that waiting costs nothing, neither for an answer nor for a busy machine.
    profiles = [cProfile.Profile(time.thread_time)]
    lock = threading.Lock()

    def profile_thread(_frame: FrameType, _event: str, _argument: object) -> None:
        # Workflow code runs in threads of its own; the first event of each lands here, and no other.
        profile = cProfile.Profile(time.thread_time)
        with lock:
            profiles.append(profile)
        profile.enable()

    def leave(exit_code: int) -> NoReturn:
        profiles[0].disable()
        for profile in profiles:
            profile.snapshot_stats()
        total = pstats.Stats(profiles[0])
        for profile in profiles[1:]:
            total.add(profile)
        total.dump_stats(stats_file)
        os._exit(exit_code)

    worker._exit = leave  # noqa: SLF001 - it leaves without the interpreter's clean-up
    sys.argv[1:] = []
    threading.setprofile(profile_thread)
    profiles[0].enable()
    worker.main()


def print_profile(stats_file: Path) -> None:
    """Print which packages the time went to, and the functions below which most of it was spent."""
    stats = pstats.Stats(str(stats_file))
    own_s: Counter[str] = Counter()
    # pstats keeps for each function: calls, primitive calls, own time, time with all below, and its callers.
    for (file, _, _), (_, _, tottime, _, callers) in stats.stats.items():  # type: ignore[attr-defined] # unstubbed
        if file == "~" and callers:  # built in, so whoever called it spent the time
            for (caller, _, _), (_, _, seconds, _) in callers.items():
                own_s[package_of(caller)] += seconds
        else:
            own_s[package_of(file)] += tottime
    for package, seconds in own_s.most_common(_SHOWN):
        print(f"{package:<18}{seconds:.2f} s, {100 * seconds / own_s.total():.1f} %")  # noqa: T201 - a report
    for order in ("tottime", "cumulative"):
        stats.strip_dirs().sort_stats(order).print_stats(_SHOWN)


def package_of(file: str) -> str:
    """Return the installed package, the package of ours, or the library's module that a file is part of."""
    path = Path(file)
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    if path.is_relative_to(_ROOT):
        return path.relative_to(_ROOT).parts[0]
    return f"{path.parent.name}/{path.name}"


def main() -> None:
    """Run the processes, measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="print where the worker's time goes")
    parser.add_argument("--be-worker", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.be_worker:
        run_worker_profiled(arguments.be_worker)
    command: tuple[str, ...] = ("-m", "worker")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_dev_server() as server,
        EmulatorServer(time_scale=TIME_SCALE) as emulator,
    ):
        home = Path(folder)
        stats_file = home / "profile"
        if arguments.profile:
            command = ("-m", "benchmarks.in_flight", "--be-worker", str(stats_file))
        every_second = {"LONGHAUL_POLL_MIN_S": "1", "LONGHAUL_POLL_MAX_S": "1"}
        with worker_of(server, emulator, home=home, command=command, **every_second) as process:
            stack = Stack(server=server, emulator=emulator, worker=process, home=home)
            asyncio.run(measure(stack, runs=arguments.runs))
            if arguments.profile:
                process.terminate()
                process.wait(60)
                print_profile(stats_file)


if __name__ == "__main__":
    main()
