"""A worker and clients that share codec keys."""

from __future__ import annotations

from typing import Any

import pytest

import skyfabric.sync
from skyfabric.inputs import Peer


def test_encrypted_runs_are_read_with_the_keys_and_refused_without(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    peer: Peer = {"name": "west", "context": given["context"]}
    with skyfabric.sync.Client() as client:
        # The failure's message is encrypted too.
        with pytest.raises(skyfabric.ConflictError, match="awaitGateway") as caught:
            client.bootstrap([{**peer, "name": "broken"}], fabric=given["fabric"])
        assert caught.value.step == "await gateway"
        run = client.bootstrap.start([peer], fabric=given["fabric"], reason="a reason to hide")
        assert run.result(timeout=60)["fabric"] == given["fabric"]
        assert run.status()["phase"] == "done"

    monkeypatch.delenv("SKYFABRIC_CODEC_KEYS")
    with skyfabric.sync.Client() as client:
        with pytest.raises(skyfabric.ForbiddenError, match="which nobody gave"):
            client.run(run.id).result(timeout=60)
        with pytest.raises(skyfabric.ForbiddenError):
            client.describe(run.id)
