"""What the module raises: errors of ``subprocess``, since those are what SkyShift's controllers catch."""

from __future__ import annotations

import subprocess

from ..errors import SkyfabricError


class CallFailed(subprocess.CalledProcessError):
    """A call that failed: why, which workflow tells more, and what to do next. It can be pickled."""

    def __init__(self, call: str, error: SkyfabricError) -> None:
        text = explained(call, "failed", error)
        super().__init__(1, call, output=text.encode(), stderr=text.encode())
        #: What went wrong, with its code, peer, step and rollback.
        self.error = error
        #: None where no workflow was begun.
        self.workflow_id = error.workflow_id
        self._text = text

    def __str__(self) -> str:
        return self._text


class CallTimedOut(subprocess.TimeoutExpired):
    """A call that waited as long as the options allow. Its workflow goes on, and the same call finds it. It can be pickled."""

    def __init__(self, call: str, seconds: float, error: SkyfabricError) -> None:
        super().__init__(call, seconds)
        self.error = error
        self.workflow_id = error.workflow_id
        self._text = explained(call, f"has not ended within {seconds:g} s", error)

    def __str__(self) -> str:
        return self._text


def explained(call: str, what: str, error: SkyfabricError) -> str:
    """One line of what happened, then the workflow and the hint."""
    lines = [f"{call} {what}: {error.message}"]
    if error.workflow_id is not None:
        lines.append(f"Workflow: {error.workflow_id}")
    if error.hint is not None:
        lines.append(error.hint)
    return "\n".join(lines)
