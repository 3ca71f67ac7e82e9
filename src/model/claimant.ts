// Who claims an object: the request that needs it, and the run that made the claim. See docs/adr/0002-claims.md.

/** The claim that a run puts on each object it needs, and takes back when it is undone. */
export interface Claimant {
  readonly fabric: string;
  /** Names the request; the part after `claim.skyfabric.io/`. The same request claims under the same id. */
  readonly id: string;
  /** The workflow id of the request, for people. */
  readonly by: string;
  /** The run: undoing touches only what this run changed. */
  readonly run: string;
}

/** What stood on a cluster, told without any content: enough to show that two states are the same. */
export interface InventoryEntry {
  /** `Kind namespace/name`. */
  readonly object: string;
  /** SHA-256 over what the object asks for and who claims it. */
  readonly digest: string;
  /** Ids of its claims. */
  readonly claims: readonly string[];
  /** The id under which a run claims that has changed it beside its claims, as long as it is as that run left it. */
  readonly changedBy?: string;
}
