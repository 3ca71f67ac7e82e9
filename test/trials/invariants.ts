// What must hold after every trial, each by its name.
import { checkClaims } from './invariants/claims';
import { checkEnded } from './invariants/ended';
import { checkRegister } from './invariants/register';
import { checkResidue } from './invariants/residue';
import { checkSpecs } from './invariants/specs';
import type { Observation } from './observation';

/** Names of all invariants. `sources`, `settled`, `traffic`, `histories` and `as-it-began` are checked where they show (trial.ts). */
export const INVARIANTS = [
  'ended',
  'specs',
  'claims',
  'foreign',
  'sources',
  'residue',
  'settled',
  'register',
  'incidents',
  'histories',
  'traffic',
  'as-it-began',
] as const;
export type InvariantName = (typeof INVARIANTS)[number];

export interface Violation {
  readonly invariant: InvariantName;
  /** After the schedule, after owed cleanup, after the healing, or when the fabric should be as it began. */
  readonly when: 'during' | 'after' | 'settled' | 'healed' | 'reset';
  readonly told: string;
}

type Check = (observation: Observation) => readonly string[];

/** Those that an observation shows. */
const CHECKS: Partial<Record<InvariantName, Check>> = {
  ended: checkEnded,
  specs: checkSpecs,
  claims: checkClaims,
  foreign: ({ foreign, user }) => [...foreign, ...user.differences()],
  residue: checkResidue,
  register: checkRegister,
  incidents: ({ incidents }) => incidents,
};

/** Checks an observation. @param without those that need not hold yet */
export function check(observation: Observation, when: Violation['when'], without: readonly InvariantName[] = []): Violation[] {
  const names = Object.keys(CHECKS) as InvariantName[];
  return names
    .filter((invariant) => !without.includes(invariant))
    .flatMap((invariant) => (CHECKS[invariant]?.(observation) ?? []).map((told) => ({ invariant, when, told })));
}
