"""Skyfabric's client: ClusterLink meshes across Kubernetes clusters, as durable Temporal workflows.

``Client`` is asynchronous, ``skyfabric.sync.Client`` is not. What is given is typed in ``skyfabric.inputs``, what comes back in
``skyfabric.answers``.
"""

from .client import Client
from .errors import (
    ConflictError,
    ForbiddenError,
    InUseError,
    InvalidError,
    NotFoundError,
    RunCancelledError,
    RunTerminatedError,
    SkyfabricError,
    StillRunningError,
    UnavailableError,
    UnreachableError,
)
from .prepared import Request
from .run import Run

__all__ = [
    "Client",
    "ConflictError",
    "ForbiddenError",
    "InUseError",
    "InvalidError",
    "NotFoundError",
    "Request",
    "Run",
    "RunCancelledError",
    "RunTerminatedError",
    "SkyfabricError",
    "StillRunningError",
    "UnavailableError",
    "UnreachableError",
]
