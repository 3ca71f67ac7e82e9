// The rests of lists that clients page through: pages of one list belong to one state.

import { randomUUID } from 'node:crypto';
import type { KubeObject } from './object';
import { badRequest, expired } from './status';

const KEPT_SNAPSHOTS = 50;
/** What tells our tokens from texts that never were one. */
const PREFIX = 'simulated-';

/** What is left of a list, and the revision at which it was taken. */
interface Snapshot {
  readonly revision: number;
  readonly objects: readonly KubeObject[];
}

/** The rests of lists that clients are still paging through; the oldest is forgotten first. */
export class Snapshots {
  private readonly kept = new Map<string, Snapshot>();

  /** Keeps what is left of a list and returns its continue token. */
  keep(snapshot: Snapshot): string {
    const token = `${PREFIX}${randomUUID()}`;
    this.kept.set(token, snapshot);
    const [oldest] = this.kept.keys();
    if (this.kept.size > KEPT_SNAPSHOTS && oldest !== undefined) this.kept.delete(oldest);
    return token;
  }

  /** @throws StatusError 400 for what is no token, 410 for one that is forgotten */
  get(token: string): Snapshot {
    if (!token.startsWith(PREFIX)) throw badRequest('invalid continue token: continue key is not valid');
    const snapshot = this.kept.get(token);
    if (snapshot !== undefined) return snapshot;
    throw expired(
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
    );
  }
}
