// The heavy halves of the program (Temporal's client, its worker, Kubernetes), loaded only by the commands that need them:
// help, completion and a mistyped flag answer at once.
/* eslint-disable @typescript-eslint/no-require-imports -- `import()` in CommonJS wants file extensions, which differ between the compiled tree and its source */
import type * as Cancel from './run-cancel';
import type * as Cleanup from './run-cleanup';
import type * as Codec from './codec-parts';
import type * as Dev from './run-dev';
import type * as Diagnose from './run-diagnose';
import type * as Queries from './queries';
import type * as Runs from './carry-out';
import type * as Seal from './run-seal';
import type * as Session from './temporal-session';
import type * as Worker from './run-worker';

export const loadRuns = (): typeof Runs => require('./carry-out') as typeof Runs;
export const loadQueries = (): typeof Queries => require('./queries') as typeof Queries;
export const loadSession = (): typeof Session => require('./temporal-session') as typeof Session;
export const loadCancel = (): typeof Cancel => require('./run-cancel') as typeof Cancel;
export const loadCleanup = (): typeof Cleanup => require('./run-cleanup') as typeof Cleanup;
export const loadDiagnose = (): typeof Diagnose => require('./run-diagnose') as typeof Diagnose;
export const loadCodec = (): typeof Codec => require('./codec-parts') as typeof Codec;
export const loadSeal = (): typeof Seal => require('./run-seal') as typeof Seal;
export const loadDev = (): typeof Dev => require('./run-dev') as typeof Dev;
export const loadWorker = (): typeof Worker => require('./run-worker') as typeof Worker;
