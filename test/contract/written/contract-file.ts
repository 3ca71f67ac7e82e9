// The contract's names, for schema/contract.json and Python: everything that a client must know besides the shapes.
import { forgetSignal, oweSignal, owedQuery, recordSignal, registerQuery, retrySignal, statusQuery } from '../../../src/contract/messages';
import type { RunKind } from '../../../src/contract/runs';
import { SEARCH_ATTRIBUTES } from '../../../src/contract/search-attributes';
import { TASK_QUEUE } from '../../../src/contract/task-queue';
import { guardWorkflowId, settleWorkflowId, teardownWorkflowId } from '../../../src/contract/workflow-ids';
import { ERROR_CODES, NON_RETRYABLE_CODES } from '../../../src/errors/fabric-error';
import type { TypeName } from './answer-schema';
import type { Vector } from './vectors';

/** What each workflow answers with. */
const RESULTS: Readonly<Record<RunKind, string>> = {
  BootstrapFabric: 'BootstrapResult',
  CheckClusters: 'CheckResult',
  CleanUpFabric: 'CleanupResult',
  ConnectServiceAcrossClusters: 'ConnectResult',
  DisconnectService: 'DisconnectResult',
  EstablishLink: 'LinkResult',
  TeardownFabric: 'TeardownResult',
  TeardownLink: 'LinkResult',
  VerifyFabric: 'VerifyResult',
};

/** All that comes back: results, a failed run's details, and the answers to queries. */
export const ANSWERS: readonly TypeName[] = [
  ...[...new Set(Object.values(RESULTS)), 'RunFailure'].map((name) => ({ file: 'results', name })),
  { file: 'status', name: 'RunStatus' },
  { file: 'register', name: 'Register' },
  { file: 'owed', name: 'OwedCleanup' },
];

/** @param read for the first part of each workflow's ids */
export function contractFile(read: readonly Vector[]) {
  const firstPart = (id = ''): string => id.split('/')[0] ?? '';
  const prefixOf = (kind: string): string => firstPart(read.find((vector) => vector.kind === kind)?.workflowId);
  return {
    taskQueue: TASK_QUEUE,
    workflows: Object.fromEntries(
      Object.entries(RESULTS).map(([kind, result]) => [
        kind,
        { idPrefix: prefixOf(kind), request: `requests/${kind}.json`, result: `answers.json#/$defs/${result}` },
      ]),
    ),
    /** Of a teardown that abandons its peers, instead of its own. */
    abandonIdPrefix: firstPart(teardownWorkflowId({ fabric: '', abandon: true })),
    failure: { details: 'answers.json#/$defs/RunFailure', codes: ERROR_CODES, notRetried: NON_RETRYABLE_CODES },
    keepers: {
      GuardFabric: {
        id: guardWorkflowId('<fabric>'),
        query: registerQuery.name,
        answer: 'answers.json#/$defs/Register',
        signals: [recordSignal.name],
      },
      SettleCleanup: {
        id: settleWorkflowId('<fabric>'),
        query: owedQuery.name,
        answer: 'answers.json#/$defs/OwedCleanup',
        signals: [oweSignal.name, retrySignal.name, forgetSignal.name],
      },
    },
    status: { query: statusQuery.name, answer: 'answers.json#/$defs/RunStatus' },
    memo: { request: 'digest of the request: one id, another digest is a conflict', start: 'of the client that started the run' },
    searchAttributes: Object.fromEntries(SEARCH_ATTRIBUTES.map(({ name, type }) => [name, type])),
  };
}
