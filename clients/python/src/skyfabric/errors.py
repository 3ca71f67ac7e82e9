"""What goes wrong: one class, and one subclass for each thing that a caller would catch apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from .contract import NOT_RETRIED, ErrorCode

if TYPE_CHECKING:
    from .answers import Problem, Residue, Rollback, RunFailure

#: Half a surrogate pair (Cs) can be neither sent nor printed.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: How the workflow lists problems: ``connect has 2 problems:``, then one a line.
_PROBLEMS = re.compile(r" has (a problem|\d+ problems):\n")


class SkyfabricError(Exception):
    """A failure that somebody can act upon: ``message`` says what, where and why, ``hint`` what to do next.

    It can be pickled, so it crosses processes. Texts hold no control characters but the line feed.
    """

    code: ErrorCode = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        hint: str | None = None,
        peer: str | None = None,
        object: str | None = None,
        workflow_id: str | None = None,
        run_id: str | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        self.message = plain(message)
        super().__init__(self.message)
        if code is not None:
            self.code = code
        self.hint = None if hint is None else plain(hint)
        #: The peer on whose cluster it happened.
        self.peer = peer
        #: The step that failed first.
        self.step: str | None = None
        #: ``Kind namespace/name`` of the Kubernetes object.
        self.object = object
        self.workflow_id = workflow_id
        self.run_id = run_id
        #: Of an invalid request: every problem, as ``path: reason``.
        self.problems: tuple[str, ...] = tuple(plain(problem) for problem in problems)
        #: What became of what a failed run had done; none where nothing had begun, or nobody could tell.
        self.rollback: Rollback | None = None
        #: What a failed run found out all the same, in the shape of its result.
        self.result: Any = None

    @property
    def residue(self) -> Sequence[Residue]:
        """What the run created and could not remove."""
        return [] if self.rollback is None else self.rollback.get("residue", [])

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code not in NOT_RETRIED

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class InvalidError(SkyfabricError):
    """The request cannot be carried out as it is; ``problems`` lists every reason. Nothing was touched."""

    code: ErrorCode = "invalid"


class ConflictError(SkyfabricError):
    """Something of that name is there and is not ours; or the run goes on with other options, or has ended before it could be cancelled."""

    code: ErrorCode = "conflict"


class InUseError(SkyfabricError):
    """Connections need what was to be taken away."""

    code: ErrorCode = "in_use"


class ForbiddenError(SkyfabricError):
    """Somebody refuses us: the server, a cluster, or the codec's keys."""

    code: ErrorCode = "forbidden"


class NotFoundError(SkyfabricError):
    """There is no such fabric, run, namespace or file."""

    code: ErrorCode = "not_found"


class UnavailableError(SkyfabricError):
    """Nobody answers at the moment: no worker listens, or the server did not answer. Runs go on by themselves."""

    code: ErrorCode = "unavailable"


class UnreachableError(SkyfabricError):
    """Something did not answer at its address: the Temporal server, or what a run was to reach."""

    code: ErrorCode = "unreachable"


class RunCancelledError(SkyfabricError):
    """Somebody cancelled the run; ``rollback`` tells what was undone."""

    code: ErrorCode = "cancelled"


class RunTerminatedError(SkyfabricError):
    """Somebody terminated the run: nothing was undone."""

    code: ErrorCode = "residue"


class StillRunningError(SkyfabricError, TimeoutError):
    """Waited as long as the caller wanted; the run goes on."""

    code: ErrorCode = "pending"


_CLASSES: dict[ErrorCode, type[SkyfabricError]] = {
    kind.code: kind
    for kind in (
        InvalidError,
        ConflictError,
        InUseError,
        ForbiddenError,
        NotFoundError,
        UnavailableError,
        UnreachableError,
        RunCancelledError,
    )
}


def error_of_problem(problem: Problem, *, workflow_id: str, run_id: str | None) -> SkyfabricError:
    """The error of what a run tells of its end."""
    message = problem["message"]
    listed = _PROBLEMS.search(message) if problem["code"] == "invalid" else None
    return _CLASSES.get(problem["code"], SkyfabricError)(
        message,
        code=problem["code"],
        hint=_text_of(problem, "hint"),
        peer=_text_of(problem, "peer"),
        object=_text_of(problem, "object"),
        workflow_id=workflow_id,
        run_id=run_id,
        problems=() if listed is None else message[listed.end() :].strip().split("\n  "),
    )


def is_failure(details: object) -> TypeGuard[RunFailure]:
    """Whether these are a failed run's details, of a worker of whichever version: as far as an error is made of them."""
    problem = details.get("problem") if isinstance(details, dict) else None
    return isinstance(problem, dict) and all(isinstance(problem.get(key), str) for key in ("code", "message"))


def error_of_failure(failure: RunFailure, *, workflow_id: str, run_id: str | None) -> SkyfabricError:
    """The error of a failed run's details."""
    error = error_of_problem(failure["problem"], workflow_id=workflow_id, run_id=run_id)
    error.result = failure.get("result")
    return with_rollback(error, failure.get("rollback"))


def with_rollback(error: SkyfabricError, rollback: Rollback | None) -> SkyfabricError:
    """The error, with how the run was undone; without, where that has another shape."""
    if isinstance(rollback, dict) and isinstance(rollback.get("residue", []), list):
        error.rollback = rollback
        error.step = _text_of(rollback, "failedStep")
        error.peer = error.peer or _text_of(rollback, "failedPeer")
    return error


def _text_of(told: Mapping[str, object], key: str) -> str | None:
    text = told.get(key)
    return text if isinstance(text, str) else None


def plain(text: str) -> str:
    """The text with every control character but the line feed, and every mark that hides or turns text, escaped; it can be encoded."""
    return "".join(
        character if character == "\n" or unicodedata.category(character) not in _HIDDEN else _escaped(character) for character in text
    )


def _escaped(character: str) -> str:
    if character == "\t":
        return " "
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
