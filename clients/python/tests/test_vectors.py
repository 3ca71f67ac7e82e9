"""Requests have the same ids and digests here as in TypeScript, and are refused in the same places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from skyfabric.errors import InvalidError
from skyfabric.prepared import prepare

VECTORS: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parents[3] / "schema/vectors.json").read_text("utf-8"))


@pytest.mark.parametrize("vector", VECTORS["read"], ids=lambda vector: str(vector["workflowId"]))
def test_a_request_is_read_as_in_typescript(vector: dict[str, Any]) -> None:
    prepared = prepare(vector["kind"], vector["input"])
    assert prepared.request == vector["request"]
    assert prepared.workflow_id == vector["workflowId"]
    assert prepared.summary == vector["summary"]
    assert prepared.digest == vector["digest"]


@pytest.mark.parametrize("vector", [one for one in VECTORS["refused"] if one["shape"]], ids=lambda one: str(one["shape"]))
def test_what_has_another_shape_is_refused_before_it_is_sent(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidError) as caught:
        prepare(vector["kind"], vector["input"])
    places = {problem.split(": ")[0] if not problem.startswith(("unknown", "must")) else "" for problem in caught.value.problems}
    assert sorted(places) == vector["shape"]


@pytest.mark.parametrize("vector", [one for one in VECTORS["refused"] if one["meaning"]], ids=lambda one: str(one["meaning"]))
def test_what_only_the_workflow_can_judge_is_left_to_it(vector: dict[str, Any]) -> None:
    assert prepare(vector["kind"], vector["input"]).workflow_id
