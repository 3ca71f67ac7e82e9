"""What the module raises: errors of ``subprocess``, since those are what SkyShift's controllers catch."""

from __future__ import annotations

import subprocess

from ..errors import SkyfabricError, plain


class CallFailed(subprocess.CalledProcessError):
    """A call that failed: why, which workflow tells more, and what to do next. It can be pickled."""

    def __init__(self, call: str, error: SkyfabricError) -> None:
        text = plain(_explained(f"{call} failed: {error.message}", error))
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
        self._text = plain(_explained(f"{call} has not ended within {seconds:g} s", error))

    def __str__(self) -> str:
        return self._text


def _explained(what: str, error: SkyfabricError) -> str:
    """What happened, then the workflow and the hint."""
    workflow = None if error.workflow_id is None else f"Workflow: {error.workflow_id}"
    return "\n".join(line for line in (what, workflow, error.hint) if line is not None)
