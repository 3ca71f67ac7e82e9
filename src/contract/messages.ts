// Queries and signals by which runs and the fabric's register are read and told.
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Debt } from './activities';
import type { OwedCleanup } from './owed';
import type { Departure, Presence } from './presence';
import type { Register, RegisterChange } from './register';
import type { RunStatus } from './status';

/** Every step of a run: state, attempts, last error. Answered by all workflows but GuardFabric. */
export const statusQuery = defineQuery<RunStatus>('status');

/** The fabric's register. Answered by GuardFabric. */
export const registerQuery = defineQuery<Register>('register');

/** Tells GuardFabric what a run has changed. */
export const recordSignal = defineSignal<[RegisterChange]>('record');

/** Tells GuardFabric that a run is at work on peers, or waits to be. */
export const enterSignal = defineSignal<[Presence]>('enter');

/** Tells GuardFabric that a run is no longer at work. */
export const leaveSignal = defineSignal<[Departure]>('leave');

/** The runs at work on the fabric's peers, as they came. Answered by GuardFabric. */
export const presentQuery = defineQuery<readonly Presence[]>('present');

/** What is owed to the peers of a fabric. Answered by SettleCleanup. */
export const owedQuery = defineQuery<readonly OwedCleanup[]>('owed');

/** Hands owed cleanup to SettleCleanup. */
export const oweSignal = defineSignal<[readonly Debt[]]>('owe');

/** Lets SettleCleanup try everything that is owed to these peers now; all, when none are named. `undoOnly`: but teardowns. */
export const retrySignal = defineSignal<[{ readonly peers?: readonly string[]; readonly undoOnly?: boolean }]>('retry');

/** Tells SettleCleanup that nothing is owed to these peers any more (`undoOnly`: but teardowns, which are looked at now); with `fabric`, nor to the fabric itself. */
export const forgetSignal =
  defineSignal<[{ readonly peers: readonly string[]; readonly undoOnly?: boolean; readonly fabric?: boolean }]>('forget');
