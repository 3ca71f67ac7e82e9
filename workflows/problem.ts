// From whatever a step failed with to the Problem that is shown and returned.
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure, isCancellation, TimeoutFailure } from '@temporalio/workflow';
import type { Problem } from '../src/contract/status';
import { isRecord } from '../src/model/problems';
import { ERROR_CODES, FabricError, type ErrorCode } from '../src/errors/fabric-error';

/** Reads a failure: its code, message and hint, and where it happened. */
export function problemOf(error: unknown): Problem {
  if (isCancellation(error)) return { code: 'cancelled', message: 'cancelled' };
  if (error instanceof FabricError) return fields(error.code, error);
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) return problemOf(error.cause);
  if (error instanceof ApplicationFailure) {
    const [detail] = error.details ?? [];
    const code = ERROR_CODES.find((known) => known === error.type) ?? 'internal';
    return fields(code, { ...(isRecord(detail) ? detail : {}), message: error.message });
  }
  if (error instanceof TimeoutFailure) {
    const last = error.cause === undefined ? '' : `; the last attempt failed: ${problemOf(error.cause).message}`;
    return {
      code: 'unready',
      message: `no answer in time (${error.timeoutType})${last}`,
      hint: 'Look at the pending activity in the Temporal UI, and at the worker of that task queue.',
    };
  }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}

/** The problem, and the peer that it happened on, unless it names one itself. */
export function located(problem: Problem, peer: { readonly name: string } | undefined): Problem {
  return problem.peer !== undefined || peer === undefined ? problem : { ...problem, peer: peer.name };
}

/** How many attempts a failed step took, when its failure tells. */
export function attemptsOf(error: unknown): number | undefined {
  if (error instanceof ActivityFailure) return attemptsOf(error.cause);
  if (error instanceof ApplicationFailure) {
    const [detail] = error.details ?? [];
    if (isRecord(detail) && typeof detail['attempts'] === 'number') return detail['attempts'];
  }
  return undefined;
}

/** The failure of a whole run: final, with the problem's code as its type. */
export function failureOf(problem: Problem, details: unknown, cause: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type: problem.code,
    message: problem.message,
    nonRetryable: true,
    details: [details],
    ...(cause instanceof Error ? { cause } : {}),
  });
}

function fields(
  code: ErrorCode,
  from: { readonly message: string; readonly hint?: unknown; readonly peer?: unknown; readonly object?: unknown },
): Problem {
  return {
    code,
    message: from.message,
    ...(typeof from.hint === 'string' ? { hint: from.hint } : {}),
    ...(typeof from.peer === 'string' ? { peer: from.peer } : {}),
    ...(typeof from.object === 'string' ? { object: from.object } : {}),
  };
}
