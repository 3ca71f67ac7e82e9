// Every change of a workflow that could be running, by the name that histories know it by. Runs that began before a change go on as they
// began: see CONTRIBUTING.md.
import { patched as isPatched } from '@temporalio/workflow';

export type Patch =
  // How a run ends, and what it does when a step or an undo fails.
  /** A cancelled run ends as cancelled, whatever step failed because of that. */
  | 'cancelled-whatever-failed'
  /** What has failed by itself and is cancelled while it is undone keeps its failure. */
  | 'failed-before-cancelled'
  /** Steps, undos and hand-overs whose time ran out without an answer are begun anew. */
  | 'step-until-answered'
  | 'undo-until-answered'
  | 'hand-over-until-answered'
  /** Steps whose titles read the same have ids of their own. */
  | 'distinct-step-ids'

  // What is owed.
  /** What could not be undone is handed over to SettleCleanup. */
  | 'owed-cleanup'
  /** Nothing is tried any more on a peer that has been given up. */
  | 'away-is-owed'
  /** A cancelled run hands over as well. */
  | 'owed-when-cancelled'
  /** More than Temporal takes at once is handed over in parts. */
  | 'owed-in-chunks'
  /** Undoing one peer hands over what is owed to that peer alone. */
  | 'owed-peer-by-peer'
  /** SettleCleanup goes on with the next debt when one fails. */
  | 'settle-each'
  /** It settles the parts of one debt in their order. */
  | 'parts-in-order'
  /** It can be told to give up what is owed to the fabric itself. */
  | 'forget-fabric'

  // The register.
  /** A run waits for what its peers are owed. */
  | 'owed-told'
  /** A run is at work on its peers from the reading of the register to its end. */
  | 'enters'
  /** What a run has told is taken back exactly. */
  | 'taken-back-exactly'
  /** A bootstrap that keeps healthy peers waits for each peer by itself. */
  | 'settled-by-peer'
  /** A bootstrap leads the links of peers that it does not name to a gateway that it moves. */
  | 'moved-gateways'

  // Make before break.
  /** Connections that are being made over a leaving source have time to come about. */
  | 'drain'
  /** A source joins an import last. */
  | 'sources-last'
  /** New sources are tried by an activity of its own. */
  | 'try-import'
  /** Links that go, or come back, do so in one step a peer. */
  | 'links-released-at-once'
  | 'links-restored-at-once'

  // Teardown.
  /** What has gone is told to the register although the teardown is cancelled. */
  | 'teardown-tells'
  /** One of all peers by name is one of the whole fabric. */
  | 'all-are-the-fabric'
  /** It waits for what the peers that stay are owed. */
  | 'settle-stayers'

  // Cleanup.
  /** What a registered peer or connection relies on is no orphan. */
  | 'claims-relied-on'
  /** Nor is the claim that alone keeps a registered gateway. */
  | 'gateways-stand-on-claims'
  /** Nor is the last claim of those that last. */
  | 'stands-that-last'
  /** Who has taken something from a claim is judged, too. */
  | 'who-changed-claims'
  /** So many orphans at once, at most. */
  | 'orphans-in-parts'
  /** Orphans are taken away while nobody else is at work on their peers. */
  | 'orphans-taken-alone';

/** Whether this run does as it should since a change: `patched` of Temporal, for the names above. */
export const patched: (patch: Patch) => boolean = isPatched;
