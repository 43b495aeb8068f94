"""Run a command to its end, and end the process."""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Coroutine
from typing import Any, Final, NoReturn

from starter.errors import ExitCode, StarterError
from starter.output import Output

_BROKEN_PIPE: Final = 128 + signal.SIGPIPE
"""As a shell reports a program that wrote to a reader that was gone."""


def run_to_exit(command: Coroutine[Any, Any, ExitCode], *, output: Output) -> NoReturn:
    """Run ``command`` and exit with the code it returns, or with that of the error it raises.

    Never returns, and leaves no traceback for anything a person can cause. Ctrl-C and SIGTERM cancel the
    command, which may turn that into an answer of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows "?", rather than ending the command.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # text files unless replaced
    try:
        code = int(asyncio.run(_with_signals(command)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        output.say("longhaul: interrupted")
        code = int(ExitCode.INTERRUPTED)
    except StarterError as error:
        output.problem(error)
        code = int(error.exit_code)
    except BrokenPipeError:
        code = _BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - a person is told in one line, and how to see the rest
        if os.environ.get("LONGHAUL_LOG_LEVEL") == "debug":
            traceback.print_exc()
        code = int(output.crash(error))
    _exit(code)


async def _with_signals(command: Coroutine[Any, Any, ExitCode]) -> ExitCode:
    if (task := asyncio.current_task()) is not None:
        # SIGTERM as Ctrl-C, which asyncio.run handles itself: a terminal being redrawn has to be set right.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await command


def _exit(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            code = code or _BROKEN_PIPE
    # Not sys.exit: with Temporal's threads alive, the interpreter's own end aborts now and then
    # (https://github.com/temporalio/sdk-python/issues/300), after the work is done.
    os._exit(code)
