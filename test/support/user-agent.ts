/** The user agent of the worker's requests, so that faults can spare the simulated clusters' own agents. */
export const ORCHESTRATOR = 'skyfabric-test-worker';
