"""Errors cross processes, show nothing that hides, and list problems one by one."""

from __future__ import annotations

import pickle
from typing import Any, cast, get_args

import pytest

import skyfabric
from skyfabric.answers import Problem, Rollback
from skyfabric.contract import NOT_RETRIED, ErrorCode
from skyfabric.errors import error_of_failure, error_of_problem, is_failure, plain

ROLLBACK: Rollback = {
    "failedStep": "deploy gateway",
    "failedPeer": "west",
    "undone": ["west: take back gateway"],
    "inventories": {"west": {"before": 1, "after": 2}},
    "residue": [{"peer": "west", "object": "Secret a/b", "why": "still there"}],
}


def test_an_error_survives_pickling() -> None:
    problem: Problem = {"code": "in_use", "message": "a needs it", "hint": "Disconnect a."}
    error = error_of_failure({"problem": problem, "rollback": ROLLBACK}, workflow_id="unlink/f/a/b", run_id="r")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is skyfabric.InUseError
    assert vars(copy) == vars(error)
    assert str(copy) == "a needs it\nDisconnect a."
    assert (copy.step, copy.peer, copy.residue) == ("deploy gateway", "west", ROLLBACK["residue"])


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_every_code_is_kept(code: ErrorCode) -> None:
    error = error_of_problem({"code": code, "message": "m"}, workflow_id="w", run_id=None)
    assert error.code == code
    assert error.retryable == (code not in NOT_RETRIED)


@pytest.mark.parametrize("rollback", [None, 3, "text", [], {"residue": 3}, {"residue": None}])
def test_a_rollback_of_another_shape_leaves_the_error_what_it_is(rollback: Any) -> None:
    details: Any = {"problem": {"code": "conflict", "message": "m", "hint": 3, "peer": ["a"], "newer": 1}, "rollback": rollback}
    assert is_failure(details)
    without: Any = {"problem": details["problem"]}
    for one in (details, without):
        error = error_of_failure(one, workflow_id="w", run_id=None)
        assert (type(error), str(error), error.peer, error.rollback, error.residue) == (skyfabric.ConflictError, "m", None, None, [])
    error = error_of_failure({"problem": details["problem"], "rollback": cast(Any, {})}, workflow_id="w", run_id=None)
    assert error.residue == []


@pytest.mark.parametrize(
    "details", [None, [], {}, {"problem": "text"}, {"problem": {"code": "conflict"}}, {"problem": {"code": ["a"], "message": "m"}}]
)
def test_details_that_tell_no_problem_are_told_apart(details: object) -> None:
    assert not is_failure(details)


def test_problems_are_told_one_by_one() -> None:
    message = "link input has 2 problems:\n  peers: must name two\n  reason: too long"
    error = error_of_problem({"code": "invalid", "message": message}, workflow_id="w", run_id=None)
    assert error.problems == ("peers: must name two", "reason: too long")
    assert error_of_problem({"code": "invalid", "message": "no such profile"}, workflow_id="w", run_id=None).problems == ()


def test_text_that_steers_a_terminal_is_escaped() -> None:
    assert plain("a\u001b[31mb\r\u202e\u2028\U000e0041\tc\nd") == "a\\u001b[31mb\\u000d\\u202e\\u2028\\udb40\\udc41 c\nd"
    assert plain("a\ud800b\udfff").encode() == rb"a\ud800b\udfff"
    error = skyfabric.SkyfabricError("\u001b", hint="\u009b", problems=["\u200b"])
    assert (error.message, error.hint, error.problems) == ("\\u001b", "\\u009b", ("\\u200b",))
