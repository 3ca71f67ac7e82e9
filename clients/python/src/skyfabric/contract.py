"""The contract's names: task queue, ids, queries, error codes.

Written by: SKYFABRIC_WRITE=1 npx jest test/contract/schema --selectProjects simulated
"""

from __future__ import annotations

from typing import Final, Literal

TASK_QUEUE: Final = "skyfabric"

Kind = Literal["BootstrapFabric", "CheckClusters", "CleanUpFabric", "ConnectServiceAcrossClusters", "DisconnectService", "EstablishLink", "TeardownFabric", "TeardownLink", "VerifyFabric"]

#: The first part of each workflow's ids.
ID_PREFIX: Final[dict[Kind, str]] = {
    "BootstrapFabric": "bootstrap",
    "CheckClusters": "check",
    "CleanUpFabric": "orphans",
    "ConnectServiceAcrossClusters": "connect",
    "DisconnectService": "disconnect",
    "EstablishLink": "link",
    "TeardownFabric": "teardown",
    "TeardownLink": "unlink",
    "VerifyFabric": "verify",
}
#: Of a teardown that abandons its peers, instead of its own.
ABANDON_PREFIX: Final = "abandon"
GUARD_ID: Final = "fabric/{fabric}"
SETTLE_ID: Final = "cleanup/{fabric}"

STATUS_QUERY: Final = "status"
REGISTER_QUERY: Final = "register"
OWED_QUERY: Final = "owed"

ErrorCode = Literal["invalid", "conflict", "in_use", "forbidden", "not_found", "unavailable", "pending", "unready", "unreachable", "residue", "internal", "cancelled"]
NOT_RETRIED: Final[frozenset[ErrorCode]] = frozenset({"invalid", "conflict", "in_use", "forbidden", "not_found", "residue"})
