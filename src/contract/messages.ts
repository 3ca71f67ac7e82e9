// Queries and signals by which runs and the fabric's register are read and told.
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Register, RegisterChange } from './register';
import type { RunStatus } from './status';

/** Every step of a run: state, attempts, last error. Answered by all workflows but GuardFabric. */
export const statusQuery = defineQuery<RunStatus>('status');

/** The fabric's register. Answered by GuardFabric. */
export const registerQuery = defineQuery<Register>('register');

/** Tells GuardFabric what a run has changed. */
export const recordSignal = defineSignal<[RegisterChange]>('record');
