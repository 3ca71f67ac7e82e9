// Where the fabric authority is kept, and who needs it: it comes with its first claim and goes with its last. Workers in
// parallel agree by compare-and-swap, and the first writer wins, so no run takes away an authority that another relies on.
import { setTimeout as sleep } from 'node:timers/promises';
import { FabricError } from '../errors/fabric-error';
import { requireDnsLabel } from '../model/names';
import type { AuthorityRecord, WrittenRecord } from './authority-record';
import { createFabricAuthority, type KeyedCertificate } from './certificate';

/** A place that keeps one record a fabric, and replaces it only for a writer who has seen the latest. */
export interface AuthorityBackend {
  /** The place in words, as `the key store /var/lib/skyfabric`. */
  readonly description: string;
  /** The record and its version; `undefined` when there is none. */
  read(fabric: string): Promise<{ readonly record: AuthorityRecord; readonly version: string } | undefined>;
  /** As `read`, but the key stays as it is kept, and the record is looked into only by `record`, which throws where it is damaged. */
  find(fabric: string): Promise<{ readonly record: () => WrittenRecord; readonly version: string } | undefined>;
  /**
   * Writes the record in place of the given version; `undefined`: there must be none.
   * @returns `false` when somebody else was first
   */
  write(fabric: string, record: WrittenRecord, version: string | undefined): Promise<boolean>;
  /**
   * Removes the record, if it is still the given version.
   * @returns `false` when somebody else was first
   */
  remove(fabric: string, version: string): Promise<boolean>;
}

// Of writers that meet, one succeeds in every round: so many rounds fail only when a store refuses without a reason.
const MOST_ATTEMPTS = 100;
const LONGEST_PAUSE_MS = 50;

/** The fabric authorities of one key store. */
export class AuthorityStore {
  /** @param create makes the authorities; {@link createFabricAuthority} by default. */
  constructor(
    private readonly backend: AuthorityBackend,
    private readonly create: typeof createFabricAuthority = createFabricAuthority,
  ) {}

  /**
   * Sees to it that the fabric has an authority, and that the claim is on it.
   * A claim that is there already is left as it is, with the run that added it.
   * @param options.keyBits `lifetimeDays`: for a new authority; 4096 and 3650 by default.
   * @param options.mayWrite asked before each write; what it throws is thrown, and nothing is written.
   * @returns `created`: this call made the authority; `changed`: it made the authority or added the claim
   * @throws FabricError `invalid`, `unavailable`, and what the backend throws
   */
  async ensure(options: {
    readonly fabric: string;
    readonly claim: string;
    readonly run: string;
    readonly keyBits?: number;
    readonly lifetimeDays?: number;
    readonly mayWrite?: (() => Promise<void>) | undefined;
  }): Promise<{ certificatePem: string; created: boolean; changed: boolean }> {
    const { claim, run } = options;
    const fabric = requireDnsLabel(options.fabric, 'fabric');
    let candidate: KeyedCertificate | undefined;
    return this.retry(fabric, async () => {
      const current = await this.backend.read(fabric);
      if (current !== undefined && holderOf(claim, current.record) !== undefined) {
        return { certificatePem: current.record.certificatePem, created: false, changed: false };
      }
      const { certificatePem, keyPem } = current?.record ?? (candidate ??= await this.create({ ...options, fabric }));
      const claims = { ...current?.record.claims, [claim]: { run } };
      await options.mayWrite?.();
      const written = await this.backend.write(fabric, { certificatePem, keyPem, claims }, current?.version);
      return written ? { certificatePem, created: current === undefined, changed: true } : undefined;
    });
  }

  /**
   * Reads the authority, for signing.
   * @throws FabricError `not_found`, and what the backend throws
   */
  async load(fabric: string): Promise<KeyedCertificate> {
    const current = await this.backend.read(requireDnsLabel(fabric, 'fabric'));
    if (current === undefined) throw this.missing(fabric);
    return { certificatePem: current.record.certificatePem, keyPem: current.record.keyPem };
  }

  /**
   * Takes the claim away, or every claim when none is named, and the authority with its last one. Nothing there: nothing changes.
   * The key is not opened; and where neither claim nor run is named, the record may be damaged.
   * @param options.run with it, only a claim that this very run added: so undoing a run keeps what an earlier one relies on.
   * @param options.mayWrite as for `ensure`.
   * @throws FabricError `invalid`, `unavailable`, and what the backend throws
   */
  async release(options: {
    readonly fabric: string;
    readonly claim?: string;
    readonly run?: string;
    readonly mayWrite?: (() => Promise<void>) | undefined;
  }): Promise<{ changed: boolean; removed: boolean }> {
    const { claim, run } = options;
    const fabric = requireDnsLabel(options.fabric, 'fabric');
    return this.retry(fabric, async () => {
      const current = await this.backend.find(fabric);
      if (current === undefined) return { changed: false, removed: false };
      const { version } = current;
      const record = claim === undefined && run === undefined ? undefined : current.record();
      const held = Object.entries(record?.claims ?? {});
      const kept = held.filter(([id, holder]) => (claim !== undefined && id !== claim) || (run !== undefined && holder.run !== run));
      if (kept.length === held.length && held.length > 0) return { changed: false, removed: false };
      await options.mayWrite?.();
      const isLast = record === undefined || kept.length === 0;
      const written = isLast
        ? await this.backend.remove(fabric, version)
        : await this.backend.write(fabric, { ...record, claims: Object.fromEntries(kept) }, version);
      return written ? { changed: true, removed: isLast } : undefined;
    });
  }

  /**
   * Writes the record as it is to another backend of the same place, which formats it otherwise: so a passphrase is set or changed.
   * @throws FabricError `not_found`, `unavailable`, and what the backends throw
   */
  async rewrite(name: string, to: AuthorityBackend): Promise<void> {
    const fabric = requireDnsLabel(name, 'fabric');
    await this.retry(fabric, async () => {
      const current = await this.backend.read(fabric);
      if (current === undefined) throw this.missing(fabric);
      return (await to.write(fabric, current.record, current.version)) ? true : undefined;
    });
  }

  private missing(fabric: string): FabricError {
    return new FabricError({
      code: 'not_found',
      message: `Fabric ${fabric} has no authority in ${this.backend.description}`,
      hint: `Bootstrap the fabric first, or give this worker the key store that fabric ${fabric} was bootstrapped with.`,
    });
  }

  private async retry<T>(fabric: string, attempt: () => Promise<T | undefined>): Promise<T> {
    for (let count = 0; count < MOST_ATTEMPTS; count += 1) {
      const result = await attempt();
      if (result !== undefined) return result;
      await sleep(Math.random() * LONGEST_PAUSE_MS);
    }
    throw new FabricError({
      code: 'unavailable',
      message: `The authority of fabric ${fabric} in ${this.backend.description} was changed by others at each of ${MOST_ATTEMPTS} attempts`,
      hint: 'Try again; see whether many runs work on this fabric at once.',
    });
  }
}

/** The run that added the claim. */
function holderOf(claim: string, { claims }: AuthorityRecord): string | undefined {
  return Object.hasOwn(claims, claim) ? claims[claim]?.run : undefined;
}
