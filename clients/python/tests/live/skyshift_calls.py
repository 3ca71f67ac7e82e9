"""A process of SkyShift's, as far as the module sees one: ``python -m tests.live.skyshift_calls '[["create_link", …], …]'``.

Makes the calls one after the other and prints what came of each, as JSON. An object among the arguments is a manager.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from skyfabric import skyshift


def main(calls: list[list[Any]]) -> None:
    """Makes the calls."""
    print(json.dumps([_outcome(function, [_argument(one) for one in given]) for function, *given in calls]))


def _argument(given: object) -> object:
    return SimpleNamespace(**given) if isinstance(given, dict) else given


def _outcome(function: str, given: list[object]) -> dict[str, object]:
    try:
        return {"returned": getattr(skyshift, function)(*given)}
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        # What SkyShift's LinkController catches; anything else ends this process, as it would end the controller's turn.
        return {"raised": str(error), "workflow": getattr(error, "workflow_id", None)}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
