"""A run that the TypeScript client has started is found, looked at, and cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from answer_shape import problems_of

import skyfabric
from skyfabric import Request
from skyfabric.answers import BootstrapResult


def test_a_run_that_somebody_else_started_is_found(given: dict[str, Any]) -> None:
    async def story() -> None:
        client = await skyfabric.Client.open()
        run = await client.submit(Request[BootstrapResult]("BootstrapFabric", given["request"]))
        assert run.attached
        assert (run.id, run.run_id) == (given["workflowId"], given["runId"])
        status = await client.describe(run.id)
        assert problems_of("RunStatus", status) == []
        assert [step["attempts"] for step in status["steps"] if step["id"] == given["heldStep"]] == [1]
        with pytest.raises(skyfabric.ConflictError, match="with other options"):
            await client.submit(Request[BootstrapResult]("BootstrapFabric", {**given["request"], "onFailure": "keep-healthy"}))
        with pytest.raises(skyfabric.StillRunningError):
            await run.result(timeout=0.2)
        await client.cancel(run.id)
        with pytest.raises(skyfabric.RunCancelledError) as caught:
            await run.result(timeout=60)
        assert caught.value.residue == []
        assert caught.value.rollback is not None
        assert len(caught.value.rollback["undone"]) > 0
        with pytest.raises(skyfabric.ConflictError, match="was cancelled already"):
            await client.cancel(run.id)

    asyncio.run(story())
