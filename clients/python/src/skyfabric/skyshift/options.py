"""What SkyShift's operators may choose: a JSON file that ``SKYFABRIC_SKYSHIFT`` names. Without it, everything has its default."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ..errors import InvalidError
from ..files import UnfitFileError, read_text
from ..inputs import Certificates, Clusterlink, Deadlines, Verify
from ..reading import fabric_problems

FILE = "SKYFABRIC_SKYSHIFT"
FABRIC = "SKYFABRIC_SKYSHIFT_FABRIC"
#: Beyond it, no clock can be told to wait.
_MOST_S = 1e9


@dataclass(frozen=True)
class Options:
    """How the module asks. What is none has the workflow's default."""

    #: SkyShift's own fabric.
    fabric: str = "skyshift"
    #: How gateways are installed: registry, tag, data plane.
    clusterlink: Clusterlink | None = None
    certificates: Certificates | None = None
    #: How an import is proven; ``probe`` calls it from a pod.
    verify: Verify | None = None
    deadlines: Deadlines | None = None
    #: Seconds for which a server or worker that is away is waited for.
    patience: float = 120
    #: Seconds after which a call gives up waiting; its workflow goes on.
    timeout: float = 1800
    #: Of clusters by SkyShift's name: what differs from what SkyShift says of them, such as ``ingress`` or ``kubeconfig``.
    peers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Of services by ``namespace/name``: another ``verify``.
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: When the call that asks gives up waiting, by the monotonic clock; without it, every question waits for ``timeout``. No option.
    deadline: float | None = None

    def begun(self) -> Options:
        """For a call that begins now: however many runs it needs, it waits for ``timeout`` in all."""
        return replace(self, deadline=time.monotonic() + self.timeout)

    def until(self) -> float:
        """When to give up waiting, by the monotonic clock."""
        return time.monotonic() + self.timeout if self.deadline is None else self.deadline

    def verification(self, namespace: str, service: str) -> Verify | None:
        """How this service's import is proven."""
        return cast("Verify | None", self.services.get(f"{namespace}/{service}", {}).get("verify", self.verify))


def read_options() -> Options:
    """Read anew with every call: a change needs no restart. Raises ``InvalidError`` with every problem."""
    path = os.environ.get(FILE)
    given = {} if not path else _parsed(path)
    problems = [f"{key}: there is no such option" for key in given if key not in _SHAPES]
    problems += [f"{key}: must be {what}" for key, (what, fits) in _SHAPES.items() if key in given and not fits(given[key])]
    if problems:
        raise InvalidError(
            f"{path} has {len(problems)} problem{'' if len(problems) == 1 else 's'}:\n  " + "\n  ".join(problems),
            hint=f"Mend the file that {FILE} names; docs/skyshift.md lists the options.",
            problems=problems,
        )
    fabric = os.environ.get(FABRIC)
    if fabric and fabric_problems(fabric):
        problems = [problem.replace("fabric", FABRIC, 1) for problem in fabric_problems(fabric)]
        raise InvalidError("; ".join(problems), hint=f"{FABRIC} names the fabric.", problems=problems)
    return Options(**{**given, **({"fabric": fabric} if fabric else {})})


def _parsed(path: str) -> dict[str, Any]:
    try:
        given = json.loads(read_text(str(Path(path).expanduser())))
    # What expanduser raises for a home that is nobody's, and json for what is nested too deeply, are RuntimeErrors.
    except (OSError, ValueError, RuntimeError, UnfitFileError) as error:
        raise InvalidError(f"{path} cannot be read: {error}", hint=f"{FILE} names a JSON file.") from error
    if not isinstance(given, dict):
        raise InvalidError(f"{path} holds no JSON object", hint=f"{FILE} names a JSON file.")
    return given


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_fabric(value: object) -> bool:
    return not fabric_problems(value)


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _MOST_S


def _holds_objects(allowed: frozenset[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(isinstance(one, dict) and allowed.issuperset(one) for one in value.values())


_PEER = frozenset({"kubeconfig", "context", "namespace", "ingress", "labels", "taskQueue"})
#: What is within the objects is judged with the request that carries them.
_SHAPES: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "fabric": ("a name of lower-case letters, digits and -, at most 63", _is_fabric),
    "clusterlink": ("an object", _is_object),
    "certificates": ("an object", _is_object),
    "verify": ("an object", _is_object),
    "deadlines": ("an object", _is_object),
    "patience": ("a number of seconds, at most 1e9", _is_seconds),
    "timeout": ("a number of seconds, at most 1e9", _is_seconds),
    "peers": (f"an object of clusters, each with some of {', '.join(sorted(_PEER))}", _holds_objects(_PEER)),
    "services": ("an object of services, each with verify", _holds_objects(frozenset({"verify"}))),
}
