"""Fixtures that more than one kind of test needs."""

from collections.abc import Iterator

import pytest

from tests.dev_server import DevServer, running_dev_server


@pytest.fixture(scope="session")
def temporal_server() -> Iterator[DevServer]:
    """A development server shared by the session, with our search attributes.

    Tests tell their runs apart by task queue and workflow id. One that kills the server starts its own
    with `running_dev_server`.
    """
    with running_dev_server() as server:
        yield server
