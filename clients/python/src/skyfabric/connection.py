"""Connects to Temporal with the same file, variables and profiles as the ``temporal`` command line and the TypeScript client."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from . import forks
from .codec import data_converter
from .errors import ForbiddenError, InvalidError, NotFoundError, SkyfabricError, UnreachableError
from .texts import require_texts

_DEFAULT_ADDRESS = "127.0.0.1:7233"
#: How long the server may take to answer.
RPC_TIMEOUT = timedelta(seconds=15)


async def connect_temporal(
    *,
    address: str | None = None,
    namespace: str | None = None,
    profile: str | None = None,
    codec_keys: str | None = None,
) -> Client:
    """Connects, and makes sure that the namespace exists.

    What is left out is taken from ``TEMPORAL_*``, else from the profile of Temporal's configuration file, else it is
    ``127.0.0.1:7233`` and ``default``; the codec keys are those of ``SKYFABRIC_CODEC_KEYS``, else payloads are not encrypted.
    Raises what ``data_converter`` raises; ``InvalidError`` for a bad configuration, ``UnreachableError`` when nothing answers,
    ``NotFoundError`` for the namespace, ``ForbiddenError`` when the server refuses us.
    """
    given = {"address": address, "namespace": namespace, "profile": profile}
    require_texts(**{name: value for name, value in given.items() if value})
    converter = data_converter(codec_keys or os.environ.get("SKYFABRIC_CODEC_KEYS") or None)
    try:
        settings = ClientConfig.load_client_connect_config(profile)
    except Exception as error:  # The SDK raises what its core does.
        raise InvalidError(
            f"Temporal's client configuration cannot be used: {str(error).splitlines()[0]}",
            hint="See `temporal config list` and the TEMPORAL_* variables, or give address and namespace.",
        ) from error
    settings["target_host"] = address or settings.get("target_host") or _DEFAULT_ADDRESS
    settings["namespace"] = namespace or settings.get("namespace") or "default"
    where, space = settings["target_host"], settings["namespace"]
    try:
        connecting = Client.connect(**settings, data_converter=converter, runtime=forks.own_runtime())
        client = await asyncio.wait_for(connecting, RPC_TIMEOUT.total_seconds())
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=space), timeout=RPC_TIMEOUT)
    except (RuntimeError, ValueError, asyncio.TimeoutError, RPCError) as error:
        raise _connect_error(error, where, space) from error
    return client


def _connect_error(error: Exception, address: str, namespace: str) -> SkyfabricError:
    status = error.status if isinstance(error, RPCError) else None
    if status == RPCStatusCode.NOT_FOUND:
        return NotFoundError(
            f"the Temporal server at {address} has no namespace {namespace}",
            hint=f"Create it (temporal operator namespace create --namespace {namespace}) or name another.",
        )
    if status == RPCStatusCode.INVALID_ARGUMENT:
        return InvalidError(f"the Temporal server at {address} takes no namespace {namespace}: {error}", hint="Name another namespace.")
    if status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
        return ForbiddenError(
            f"the Temporal server at {address} refuses access to namespace {namespace}: {error}",
            hint="Check the API key or client certificate of the Temporal profile.",
        )
    return UnreachableError(
        f"the Temporal server at {address} does not answer: {str(error) or 'no answer in time'}",
        hint="Start one with `skyfabric dev`, or check the address and the TLS settings of the Temporal profile.",
    )
