"""Workflow ids and digests, as ``src/contract/workflow-ids.ts`` and ``src/contract/runs.ts`` derive them.

``schema/vectors.json`` holds the two to the same answers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .contract import ABANDON_PREFIX, ID_PREFIX, Kind
from .reading import read_request

#: The type of a run's result.
R = TypeVar("R")

_READABLE = 80
_UNORDERED = frozenset({"from", "to", "peers", "pairs", "connections"})


@dataclass(frozen=True)
class Request(Generic[R]):
    """What is asked: a workflow, and its input with the names it has on the wire. ``R`` is what it answers with."""

    kind: Kind
    fields: Mapping[str, object]


@dataclass(frozen=True)
class Prepared:
    """A request that has been read: what is sent, and under which id."""

    kind: Kind
    workflow_id: str
    request: Mapping[str, Any]
    #: One line for Temporal's UI.
    summary: str
    #: What tells two requests of one id apart.
    digest: str


def prepare(kind: Kind, fields: object) -> Prepared:
    """Reads a request. Raises ``InvalidError`` with every problem of its shape."""
    request = read_request(kind, fields)
    tail, summary = _TAILS[kind](request)
    # Peers are abandoned also while a teardown of them goes on that waits for their clusters.
    prefix = ABANDON_PREFIX if request.get("abandon") is True else ID_PREFIX[kind]
    workflow_id = "/".join([prefix, request["fabric"], *tail])
    return Prepared(kind, workflow_id, request, summary, _digest(request))


def _peers_tail(verb: str) -> Callable[[Mapping[str, Any]], tuple[list[str], str]]:
    def tail(request: Mapping[str, Any]) -> tuple[list[str], str]:
        names = [peer["name"] for peer in request["peers"]]
        return [_name_list(names)], f"{verb} {', '.join(names)}"

    return tail


def _pair_tail(verb: str) -> Callable[[Mapping[str, Any]], tuple[list[str], str]]:
    return lambda request: (sorted(request["peers"]), f"{verb} {' and '.join(request['peers'])}")


def _connect_tail(request: Mapping[str, Any]) -> tuple[list[str], str]:
    service, sources, importers = request["service"], request["from"], request["to"]
    place = f"{service['namespace']}/{service['name']}:{service['port']}"
    return _service_tail(request), f"connect {place} from {', '.join(sources)} to {', '.join(importers)}"


def _disconnect_tail(request: Mapping[str, Any]) -> tuple[list[str], str]:
    service = request["service"]
    return _service_tail(request), f"disconnect {service['namespace']}/{service['name']}"


def _service_tail(request: Mapping[str, Any]) -> list[str]:
    service = request["service"]
    ends = [sorted(request.get("from", [])), sorted(request.get("to", []))]
    return [service["namespace"], service["name"], _sha256(_json(ends))[:12]]


def _teardown_tail(request: Mapping[str, Any]) -> tuple[list[str], str]:
    peers = request.get("peers")
    return ["all" if peers is None else _name_list(peers)], f"tear down {'the whole fabric' if peers is None else ', '.join(peers)}"


def _cleanup_tail(request: Mapping[str, Any]) -> tuple[list[str], str]:
    return [], "remove orphans" if "remove" in request else "look for orphans"


def _verify_tail(request: Mapping[str, Any]) -> tuple[list[str], str]:
    only = [*request.get("connections", []), *request.get("peers", [])]
    return [], f"verify {', '.join(only) or 'every link and connection'}"


#: The parts of an id after the fabric, and the summary.
_TAILS: Mapping[Kind, Callable[[Mapping[str, Any]], tuple[list[str], str]]] = {
    "BootstrapFabric": _peers_tail("bootstrap"),
    "CheckClusters": _peers_tail("check"),
    "CleanUpFabric": _cleanup_tail,
    "ConnectServiceAcrossClusters": _connect_tail,
    "DisconnectService": _disconnect_tail,
    "EstablishLink": _pair_tail("link"),
    "TeardownFabric": _teardown_tail,
    "TeardownLink": _pair_tail("unlink"),
    "VerifyFabric": _verify_tail,
}


def _name_list(names: Sequence[str]) -> str:
    text = "+".join(sorted(names))
    return text if len(text) <= _READABLE else f"{len(names)}-peers-{_sha256(_json(sorted(names)))[:12]}"


def _digest(request: Mapping[str, Any]) -> str:
    """All that changes what is done, and not the reason or the order of peers."""
    rest = {key: value for key, value in request.items() if key != "reason"}
    return _sha256(_json(_without_order(rest, keeps_sources=rest.get("loadBalancing") == "static")))


def _without_order(value: Any, *, keeps_sources: bool) -> Any:
    if isinstance(value, list):
        return [_without_order(item, keeps_sources=keeps_sources) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: sorted((_json(item) for item in inner), key=_utf16)
        if isinstance(inner, list) and key in _UNORDERED and not (keeps_sources and key == "from")
        else _without_order(inner, keeps_sources=keeps_sources)
        for key, inner in value.items()
    }


def _utf16(text: str) -> bytes:
    """JavaScript sorts by UTF-16 units."""
    return text.encode("utf-16-be", "surrogatepass")


def _json(value: object) -> str:
    """As ``JSON.stringify`` writes it: half a surrogate pair is escaped, everything else beyond ASCII is not."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
