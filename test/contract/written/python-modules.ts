// The Python client's generated modules: the contract's names, what is given, and what comes back.
import type { RunKind } from '../../../src/contract/runs';
import type { contractFile } from './contract-file';
import type { SchemaFile } from './json-schema';
import { PythonTypes } from './python-types';

/** What a request's type is called: by the method that makes it. */
const REQUEST_NAMES: Readonly<Record<RunKind, string>> = {
  BootstrapFabric: 'BootstrapRequest',
  ConnectServiceAcrossClusters: 'ConnectRequest',
  CheckClusters: 'CheckRequest',
  CleanUpFabric: 'CleanupRequest',
  DisconnectService: 'DisconnectRequest',
  EstablishLink: 'LinkRequest',
  TeardownFabric: 'TeardownRequest',
  TeardownLink: 'UnlinkRequest',
  VerifyFabric: 'VerifyRequest',
};

const head = (about: string): string =>
  `"""${about}\n\nWritten by: SKYFABRIC_WRITE=1 npx jest test/contract/schema --selectProjects simulated\n"""\n\nfrom __future__ import annotations\n\n`;

/** `NotRequired` is in Python's own library since 3.11, and until then in what `temporalio` brings. */
const TYPING = `import sys
from typing import Dict, List, Literal, Mapping, Sequence, Tuple, TypedDict, Union

if sys.version_info >= (3, 11):
    from typing import NotRequired
else:
    from typing_extensions import NotRequired

`;

export function inputsModule(requests: Readonly<Record<string, SchemaFile>>): string {
  const types = new PythonTypes('given');
  for (const [kind, name] of Object.entries(REQUEST_NAMES)) types.define(name, requests[kind] ?? {});
  return `${head('What is asked of Skyfabric: the inputs of its workflows, with the names they have on the wire.')}${TYPING}\n${types.source}`;
}

export function answersModule({ $defs = {} }: SchemaFile): string {
  const types = new PythonTypes('answered');
  for (const [name, schema] of Object.entries($defs)) types.define(name, schema);
  return `${head('What comes back: results, failures, and the answers to queries, with the names they have on the wire.')}${TYPING}\n${types.source}`;
}

export function contractModule(contract: ReturnType<typeof contractFile>): string {
  const { taskQueue, workflows, abandonIdPrefix, failure, keepers, status } = contract;
  const prefixes = Object.entries(workflows).map(([kind, { idPrefix }]) => `    "${kind}": "${idPrefix}",\n`);
  const codes = (list: readonly string[]): string => list.map((code) => JSON.stringify(code)).join(', ');
  return `${head("The contract's names: task queue, ids, queries, error codes.")}from typing import Final, Literal

TASK_QUEUE: Final = "${taskQueue}"

Kind = Literal[${codes(Object.keys(workflows))}]

#: The first part of each workflow's ids.
ID_PREFIX: Final[dict[Kind, str]] = {
${prefixes.join('')}}
#: Of a teardown that abandons its peers, instead of its own.
ABANDON_PREFIX: Final = "${abandonIdPrefix}"
GUARD_ID: Final = "${keepers.GuardFabric.id.replace('<fabric>', '{fabric}')}"
SETTLE_ID: Final = "${keepers.SettleCleanup.id.replace('<fabric>', '{fabric}')}"

STATUS_QUERY: Final = "${status.query}"
REGISTER_QUERY: Final = "${keepers.GuardFabric.query}"
OWED_QUERY: Final = "${keepers.SettleCleanup.query}"

ErrorCode = Literal[${codes(failure.codes)}, "cancelled"]
NOT_RETRIED: Final[frozenset[ErrorCode]] = frozenset({${codes(failure.notRetried)}})
`;
}
