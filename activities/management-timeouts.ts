// How long one attempt of the management activities waits for ClusterLink; the workflow decides how often it is tried.

/** Conditions of Exports and Imports come within 0.1 s; a control plane that begins anew acts on them after 15 s. */
export const CONDITION_TIMEOUT_MS = 20_000;

/** A first heartbeat that misses is repeated after 10 s; this allows for two. */
export const REACHABLE_TIMEOUT_MS = 30_000;

/** Only for telling why a remote is not reachable, so shorter than the probe before. */
export const DIAGNOSIS_TIMEOUT_MS = 3_000;

/** A defused Peer turns False in under 1 s; a leading control plane that takes this long has frozen statuses. */
export const DEFUSE_TIMEOUT_MS = 10_000;

/** A defused Peer that never was reachable shows nothing; its heartbeat is where it can harm nobody by then. */
export const DEFUSE_SILENT_MS = 2_000;

/** A leading control plane takes the Services of a deleted Import away within 0.5 s. */
export const SERVICES_GONE_TIMEOUT_MS = 15_000;

/** A Job's pod is there at once, unless a quota or a policy forbids it. */
export const PROBE_POD_TIMEOUT_MS = 10_000;

/** A busy node that has to pull the probe's image. */
export const PROBE_START_TIMEOUT_MS = 60_000;

/** For each connection of the probe: far more than the slowest link takes to answer. */
export const PROBE_ANSWER_SECONDS = 5;

/** For reaching the data plane in the same cluster. */
export const PROBE_CONNECT_SECONDS = 2;

/** 0.2 s each: ClusterLink knew a new pod 0.2 to 1.0 s after it had begun to run, and DNS denies what is new for 5 s. */
export const PROBE_SETTLE_TRIES = 35;

/** Connections by which a link's latency is measured: enough to even out a clock of hundredths of a second. */
export const MEASURE_CALLS = 10;

/** 1 MiB there and back so often at most; a quick link needs as many for the same clock. */
export const MEASURE_ROUNDS = 64;

/** At least one MiB there and back on a link of 300 kbit/s. */
export const MEASURE_TRANSFER_SECONDS = 60;

/** As PROBE_SETTLE_TRIES. */
export const MEASURE_SETTLE_SECONDS = 7;

/** A busy node that has to pull the echo server's image. */
export const ECHO_READY_TIMEOUT_MS = 60_000;

/** Clean-up after an attempt that was cancelled has a signal of its own. */
export const CLEANUP_TIMEOUT_MS = 10_000;
