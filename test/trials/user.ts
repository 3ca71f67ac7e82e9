// A user who works on the same clusters: changes and deletes what is ours, and puts things of their own beside it.
import { digestOf } from '../../src/kubernetes/digest';
import { CLAIM_PREFIX, FABRIC_LABEL, MANAGED_BY_LABEL } from '../../src/kubernetes/claim-marks';
import type { Cluster } from '../../src/kubernetes/cluster';
import { describeRef, refOf, type KubeObject } from '../../src/kubernetes/kube-object';
import { CLUSTERLINK_API_VERSION } from '../../src/clusterlink/resources';
import { QUIET } from './draw-schedule';
import type { Journal } from './journal';
import { CLUSTERS, NAMESPACE, STEADY, type ClusterName, type OwnObject, type SharedKindName, type UserAct } from './schedule';
import type { World } from './world';

const USER_ANNOTATION = 'example.com/owner';
const OWN = 'users-own';

type Edited = KubeObject & { readonly spec?: object };

export class User {
  /** Objects of ours that the user changed or deleted, as `cluster: Kind namespace/name`. */
  readonly touched = new Set<string>();
  /** Clusters of whose gateway the user deleted a part; a bootstrap mends it. */
  readonly brokenGateways = new Set<string>();
  /** Those of them that cannot be worked with any more, until the user clears them away. */
  private readonly spoilt = new Map<string, () => Promise<unknown>>();
  /** What the user put there, and the digest of its contents. */
  private readonly own = new Map<string, { readonly digest: string; readonly remove: () => Promise<unknown> }>();

  constructor(
    private readonly world: World,
    private readonly journal: Journal,
    /** Whether the steady connection is left alone. */
    private readonly sparesSteady: boolean,
  ) {}

  /** Whether the user changed anything of ours on a cluster. */
  disturbs(cluster: string): boolean {
    return (
      [...this.touched].some((object) => object.startsWith(`${cluster}: `)) ||
      [...this.own.keys()].some((object) => object.startsWith(`${cluster}: `))
    );
  }

  async act(act: UserAct): Promise<void> {
    const { client } = this.world.cluster(act.cluster);
    if (act.act === 'put-own') return this.putOwn(client, act.cluster, act.what);
    const object = act.act === 'delete-part' ? this.choosePart(act.cluster, act.nth) : this.chooseShared(act.cluster, act.kind, act.nth);
    if (object === undefined) {
      this.journal.note(`user finds nothing to ${act.act} on ${act.cluster}`);
      return;
    }
    const ref = refOf(object);
    const name = `${act.cluster}: ${describeRef(ref)}`;
    this.journal.note(`user: ${act.act} ${name}`);
    this.journal.count('user acts');
    this.touched.add(name);
    const remove = (): Promise<unknown> => client.delete(ref);
    if (act.act === 'delete-part') this.brokenGateways.add(act.cluster);
    if (act.act === 'delete' || act.act === 'delete-part') return ignoreGone(remove());
    if (['drop-claim', 'garble-claim', 'drop-label'].includes(act.act)) this.spoilt.set(name, remove);
    await ignoreGone(client.patch(ref, patchFor(act.act, object)));
  }

  /** Whether what the user put there stands as it was put. @returns what differs */
  differences(): string[] {
    const standing = new Map<string, KubeObject>(
      CLUSTERS.flatMap((cluster) =>
        this.world.objects(cluster).map((object) => [`${cluster}: ${describeRef(refOf(object))}`, object] as const),
      ),
    );
    return [...this.own].flatMap(([name, { digest }]) => {
      const now = standing.get(name);
      if (now === undefined) return [`${name} of the user is gone`];
      return contentDigest(now) === digest ? [] : [`${name} of the user was changed`];
    });
  }

  /** The user takes away what nobody else can mend, and what is in the way of others. */
  async clearUp(): Promise<void> {
    await Promise.all([...this.spoilt.values()].map((remove) => ignoreGone(remove())));
    await Promise.all([...this.own.values()].map(({ remove }) => ignoreGone(remove())));
    this.spoilt.clear();
    this.own.clear();
  }

  private chooseShared(cluster: ClusterName, kind: SharedKindName, nth: number): KubeObject | undefined {
    return this.choose(cluster, nth, (object) => object.kind === kind && (!this.sparesSteady || !isSteady(object)));
  }

  private choosePart(cluster: ClusterName, nth: number): KubeObject | undefined {
    return this.choose(cluster, nth, ({ kind }) => !NO_PARTS.includes(kind));
  }

  private choose(cluster: ClusterName, nth: number, isMeant: (object: KubeObject) => boolean): KubeObject | undefined {
    const found = this.world
      .objects(cluster)
      .filter((object) => object.metadata.labels?.[FABRIC_LABEL] === this.world.fabric && isMeant(object))
      .sort((one, other) => (describeRef(refOf(one)) < describeRef(refOf(other)) ? -1 : 1));
    return found[nth % Math.max(found.length, 1)];
  }

  private async putOwn(client: Cluster, cluster: ClusterName, what: OwnObject): Promise<void> {
    const object = ownObject(what);
    const name = `${cluster}: ${describeRef(refOf(object))}`;
    try {
      const created = await client.create<KubeObject>(object);
      this.own.set(name, { digest: contentDigest(created), remove: () => client.delete(refOf(object)) });
      this.journal.note(`user puts ${name}`);
      this.journal.count('user acts');
    } catch {
      // Taken, or a kind that the cluster does not know now.
      this.journal.note(`user cannot put ${name}`);
    }
  }
}

/** Of what an object says, without what the server and the control plane write. */
function contentDigest(object: KubeObject): string {
  const { labels, annotations, finalizers } = object.metadata;
  const { targetPort: _port, ...spec } = { ...(object as Edited).spec } as Record<string, unknown>;
  return digestOf({ ...object, metadata: { labels, annotations, finalizers }, status: undefined, spec });
}

function isSteady(object: KubeObject): boolean {
  return object.metadata.name === STEADY || JSON.stringify((object as Edited).spec ?? {}).includes(STEADY) || object.kind === 'Peer';
}

function patchFor(act: Exclude<UserAct['act'], 'delete' | 'delete-part' | 'put-own'>, object: KubeObject): object {
  const claims = Object.keys(object.metadata.annotations ?? {}).filter((key) => key.startsWith(CLAIM_PREFIX));
  switch (act) {
    case 'annotate':
      return { metadata: { annotations: { [USER_ANNOTATION]: 'me' }, labels: { [USER_ANNOTATION]: 'me' } } };
    case 'drop-claim':
      return { metadata: { annotations: { [claims[0] ?? USER_ANNOTATION]: null } } };
    case 'garble-claim':
      return { metadata: { annotations: { [claims[0] ?? `${CLAIM_PREFIX}users`]: 'not what was written' } } };
    case 'drop-label':
      return { metadata: { labels: { [MANAGED_BY_LABEL]: null } } };
    case 'edit':
      return { spec: EDITS[object.kind as SharedKindName] };
  }
}

/** What is no part of a gateway, or takes with it what ClusterLink does not survive the loss of: a definition takes every Peer. */
const NO_PARTS: readonly string[] = [
  'Import',
  'Export',
  'AccessPolicy',
  'PrivilegedAccessPolicy',
  'Peer',
  'CustomResourceDefinition',
  'Namespace',
];

/** Changes that ClusterLink survives. */
const EDITS: Readonly<Record<SharedKindName, object>> = {
  Import: { lbScheme: 'static' },
  Export: { port: 9_999 },
  AccessPolicy: { action: 'deny' },
  Peer: { gateways: [{ host: '127.0.0.1', port: 9 }] },
};

function ownObject(what: OwnObject): KubeObject & Record<string, unknown> {
  const metadata = { name: OWN, namespace: NAMESPACE };
  switch (what) {
    case 'ConfigMap':
      return { apiVersion: 'v1', kind: what, metadata, data: { of: 'the user' } };
    case 'Service':
      // Of a name that a connection may want.
      return { apiVersion: 'v1', kind: what, metadata: { ...metadata, name: QUIET[0] ?? OWN }, spec: { ports: [{ port: 80 }] } };
    case 'Export':
      return { apiVersion: CLUSTERLINK_API_VERSION, kind: what, metadata, spec: { port: 80 } };
    case 'Import':
      return { apiVersion: CLUSTERLINK_API_VERSION, kind: what, metadata, spec: { port: 80, sources: [] } };
    case 'AccessPolicy': {
      const nobody = [{ workloadSelector: { matchLabels: { 'client.clusterlink.net/labels.nobody': 'yes' } } }];
      return { apiVersion: CLUSTERLINK_API_VERSION, kind: what, metadata, spec: { action: 'allow', from: nobody, to: nobody } };
    }
  }
}

/** The object may go at the same moment. */
async function ignoreGone(act: Promise<unknown>): Promise<void> {
  await act.catch(() => undefined);
}
