// The one error class. Every layer below the CLI throws it, and activities/failures.ts turns it into a
// Temporal ApplicationFailure in one place, so that a code means the same everywhere. Whoever wrote the texts in it, they are
// bounded here and hold no control characters.
import { bounded, oneLine, plain } from './plain-text';

/** What went wrong, by class. NON_RETRYABLE_CODES are facts that no retry can change. */
export const ERROR_CODES = [
  'invalid',
  'conflict',
  'in_use',
  'forbidden',
  'not_found',
  'unavailable',
  'pending',
  'unready',
  'unreachable',
  'residue',
  'internal',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Codes that no retry can mend: the activity fails at once, and the workflow rolls back. */
export const NON_RETRYABLE_CODES: readonly ErrorCode[] = ['invalid', 'conflict', 'in_use', 'forbidden', 'not_found', 'residue'];

/** What a message may hold at most: a request's problems, each in its line, and then some. */
const MAX_MESSAGE = 10_000;
const MAX_HINT = 2_000;
const MAX_NAME = 1_000;

export interface FabricErrorFields {
  readonly code: ErrorCode;
  /** What happened and why, with names and host:port; one sentence, no trailing newline. */
  readonly message: string;
  /** What to do next; one sentence. */
  readonly hint?: string | undefined;
  /** The peer on whose cluster it happened. */
  readonly peer?: string | undefined;
  /** The Kubernetes object or file concerned, as `Kind namespace/name`. */
  readonly object?: string | undefined;
  /** The server's `Retry-After`, in milliseconds, when it gave one. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** A failure that an operator can act upon. Never carries a key, a token or kubeconfig content. */
export class FabricError extends Error {
  override readonly name = 'FabricError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly peer: string | undefined;
  readonly object: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(fields: FabricErrorFields) {
    const { message, hint, peer, object, cause } = fields;
    super(plain(bounded(message, MAX_MESSAGE)), cause === undefined ? undefined : { cause });
    this.code = fields.code;
    this.hint = hint === undefined ? undefined : plain(bounded(hint, MAX_HINT));
    this.peer = peer === undefined ? undefined : oneLine(bounded(peer, MAX_NAME));
    this.object = object === undefined ? undefined : oneLine(bounded(object, MAX_NAME));
    this.retryAfterMs = fields.retryAfterMs;
  }

  /** Whether trying the same thing again may succeed. */
  get retryable(): boolean {
    return !NON_RETRYABLE_CODES.includes(this.code);
  }
}

/** `true` for a FabricError of the given code (any code when none is given). */
export function isFabricError(error: unknown, code?: ErrorCode): error is FabricError {
  return error instanceof FabricError && (code === undefined || error.code === code);
}
