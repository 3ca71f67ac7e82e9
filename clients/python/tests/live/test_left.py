"""A run is started here and left to itself."""

from __future__ import annotations

from typing import Any

import skyfabric.sync
from skyfabric import Request
from skyfabric.answers import BootstrapResult


def test_a_run_is_started_and_not_waited_for(given: dict[str, Any]) -> None:
    with skyfabric.sync.Client() as client:
        run = client.submit(Request[BootstrapResult]("BootstrapFabric", given["request"]))
        assert not run.attached
        assert client.describe(run.id)["phase"] == "running"
