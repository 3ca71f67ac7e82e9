// How long one attempt of the management activities waits for ClusterLink; the workflow decides how often it is tried.

/** Conditions of Exports and Imports come within 0.1 s; a restarting control plane is back within this. */
export const CONDITION_TIMEOUT_MS = 20_000;

/** A first heartbeat that misses is repeated after 10 s; this allows for two. */
export const REACHABLE_TIMEOUT_MS = 30_000;

/** Only for telling why a remote is not reachable, so shorter than the probe before. */
export const DIAGNOSIS_TIMEOUT_MS = 3_000;

/** A defused Peer turns False in under 1 s; a control plane that takes this long has frozen statuses. */
export const DEFUSE_TIMEOUT_MS = 10_000;

/** A defused Peer that never was reachable shows nothing; its heartbeat is where it can harm nobody by then. */
export const DEFUSE_SILENT_MS = 2_000;

/** A control plane takes the Services of a deleted Import away within 0.5 s. */
export const SERVICES_GONE_TIMEOUT_MS = 15_000;

/** A Job's pod is there at once, unless a quota or a policy forbids it. */
export const PROBE_POD_TIMEOUT_MS = 10_000;

/** A busy node that has to pull the probe's image. */
export const PROBE_START_TIMEOUT_MS = 60_000;

/** For each connection of the probe: far more than the slowest link takes to answer. */
export const PROBE_ANSWER_SECONDS = 5;

/** Clean-up after an attempt that was cancelled has a signal of its own. */
export const CLEANUP_TIMEOUT_MS = 10_000;
