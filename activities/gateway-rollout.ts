// Changing a gateway through which traffic flows: what is new serves, and is trusted, before what is old goes.
// See docs/adr/0012-make-before-break.md.
import { setTimeout as delay } from 'node:timers/promises';
import { SITE_REVISION_ANNOTATION } from '../src/clusterlink/gateway-deployment';
import { SECRET } from '../src/clusterlink/gateway-secrets';
import { CONTROLPLANE, DATAPLANE, type SecretResource } from '../src/clusterlink/manifest';
import { digestOf } from '../src/kubernetes/digest';
import type { KubeObject, ObjectRef } from '../src/kubernetes/kube-object';
import { tellProgress, withinAttempt } from './activity-context';
import { isControlplaneLeading } from './controlplane-view';
import type { GatewayPlace } from './gateway-anchor';
import { canControlplaneStart } from './gateway-certificates';
import { awaitDeployments } from './gateway-endpoint';
import { restartOperatorGateway } from './gateway-objects';
import { inParallel } from './in-parallel';
import { writeObjects } from './write-objects';

/** A new pod has to start, to be ready for 2 s, and an old one to wait 5 s. */
const ROLLED_TIMEOUT_MS = 120_000;
/** A control plane leads 15 s after the one before has gone, which itself takes some seconds. */
const LEADING_TIMEOUT_MS = 45_000;
const LEADING_PAUSE_MS = 1_000;

const SITE_SECRETS: readonly string[] = [SECRET.siteAuthority, SECRET.controlplane, SECRET.dataplane];

/** What a gateway is to be, and how its objects are written. */
export interface Rollout {
  readonly standing: readonly KubeObject[];
  /** What pods need at their start. */
  readonly first: readonly KubeObject[];
  /** What starts pods. */
  readonly last: readonly KubeObject[];
  readonly write: (object: KubeObject) => Promise<unknown>;
  /** Called once every Secret is as it is to be, before the last pods start. */
  readonly onSecrets?: () => Promise<void>;
  /** Waits until pods of one Deployment have been replaced. Default: `awaitRolled`. */
  readonly rolled?: (place: GatewayPlace, name: string) => Promise<void>;
}

/** Writes a gateway's objects. Where it serves already, its pods are replaced one Deployment after the other. @throws unready */
export async function rollOut(place: GatewayPlace, rollout: Rollout): Promise<void> {
  const { standing, first, last, write, onSecrets } = rollout;
  const serves = await isServing(place);
  const [now, next] = [siteAuthorityOf(standing), siteAuthorityOf(first)];
  if (serves && now !== undefined && next !== undefined && now !== next) {
    await replaceSiteCertificates(place, rollout, now, next);
  } else {
    await writeObjects(first, write, place.signal);
    await onSecrets?.();
    await restartOperatorGateway(
      place,
      standing,
      last.find(({ kind }) => kind === 'Instance'),
    );
    if (serves) await awaitLeading(place);
    // The control plane last: after its turn nobody leads for 15 s.
    for (const name of serves ? [DATAPLANE, CONTROLPLANE] : []) await roll(place, rollout, name, undefined);
  }
  await inParallel(last, write);
}

/** Waits until all pods of a Deployment are new and serve. @throws unready */
export function awaitRolled(place: GatewayPlace, name: string): Promise<void> {
  return awaitDeployments(place, [name], ROLLED_TIMEOUT_MS);
}

/**
 * Each half of a gateway knows the other by the site's authority, whose key nobody keeps: new certificates have a new one. Pods read
 * theirs at their start only. So the control plane first comes to trust both authorities, then the data plane gets its new certificate
 * (and trusts both), then the control plane gets its own. The data plane, through which everything flows, restarts once.
 */
async function replaceSiteCertificates(place: GatewayPlace, rollout: Rollout, now: string, next: string): Promise<void> {
  const { standing, first, last, write, onSecrets } = rollout;
  const find = (name: string): readonly KubeObject[] => first.filter(({ kind, metadata }) => kind === 'Secret' && metadata.name === name);
  await writeObjects(
    first.filter(({ kind, metadata }) => kind !== 'Secret' || !SITE_SECRETS.includes(metadata.name)),
    write,
    place.signal,
  );
  const both = [...new Set([...certificatesIn(now), ...certificatesIn(next)])].join('');
  for (const secret of find(SECRET.siteAuthority))
    await write({ ...secret, data: { ca: Buffer.from(both).toString('base64') } } as KubeObject);
  // Where its own is lost, no control plane starts without the new one, and no data plane knows that yet: its turn is next.
  if (!canControlplaneStart(standing)) await inParallel(find(SECRET.controlplane), write);
  tellProgress('the control plane comes to trust the new site authority');
  await restart(place, CONTROLPLANE, digestOf(both).slice(0, 16));
  await rolledOf(rollout)(place, CONTROLPLANE);
  await awaitLeading(place);
  await inParallel(find(SECRET.dataplane), write);
  const revision = last.find(({ kind }) => kind === 'Instance')?.metadata.annotations?.[SITE_REVISION_ANNOTATION];
  await roll(place, rollout, DATAPLANE, revision);
  // Every data plane shows a new certificate by now, so a control plane that begins needs the new authority alone.
  await inParallel([...find(SECRET.controlplane), ...find(SECRET.siteAuthority)], write);
  await onSecrets?.();
  await roll(place, rollout, CONTROLPLANE, revision);
}

/** Writes one of the gateway's Deployments and waits until it has rolled. @param revision has the pods replaced where the operator writes it */
async function roll(place: GatewayPlace, rollout: Rollout, name: string, revision: string | undefined): Promise<void> {
  const { last, write } = rollout;
  const deployment = last.find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === name && metadata.namespace === place.namespace,
  );
  tellProgress(`replacing the pods of ${name}`);
  if (deployment !== undefined) await write(deployment);
  else if (revision === undefined) return;
  else await restart(place, name, revision);
  await rolledOf(rollout)(place, name);
}

function rolledOf({ rolled = awaitRolled }: Rollout): NonNullable<Rollout['rolled']> {
  return rolled;
}

/** Has a Deployment's pods replaced, unless they were for this revision. */
async function restart({ cluster, namespace, signal }: GatewayPlace, name: string, revision: string): Promise<void> {
  const template = { metadata: { annotations: { [SITE_REVISION_ANNOTATION]: revision } } };
  await cluster.patch(deploymentRef(namespace, name), { spec: { template } }, signal);
}

/**
 * Waits until a control plane leads, for a while: merging imports lead to the data plane's pods by copies of their addresses, which only
 * the leader keeps up. Where none comes to lead, a change may be what helps it.
 */
async function awaitLeading({ cluster, namespace, signal }: GatewayPlace): Promise<void> {
  const deadline = Date.now() + withinAttempt(LEADING_TIMEOUT_MS);
  const query = { apiVersion: 'v1', kind: 'Pod', namespace, labelSelector: `app=${CONTROLPLANE}` };
  // One that is about to go may lead still, but not until the data plane has been replaced.
  const isLeaving = async (): Promise<boolean> =>
    (await cluster.list(query, signal)).items.some(({ metadata }) => metadata.deletionTimestamp !== undefined);
  while (Date.now() < deadline && ((await isLeaving()) || !(await isControlplaneLeading(cluster, namespace, signal)))) {
    tellProgress('waiting for the new control plane to lead');
    await delay(LEADING_PAUSE_MS, undefined, { signal });
  }
}

/** Whether both halves of the gateway have pods that serve: otherwise there is no traffic to keep up. */
async function isServing({ cluster, namespace, signal }: GatewayPlace): Promise<boolean> {
  const found = await inParallel([DATAPLANE, CONTROLPLANE], (name) =>
    cluster.get<KubeObject & { readonly status?: { readonly availableReplicas?: number } }>(deploymentRef(namespace, name), signal),
  );
  return found.every((deployment) => (deployment?.status?.availableReplicas ?? 0) > 0);
}

function siteAuthorityOf(objects: readonly KubeObject[]): string | undefined {
  const secret = objects.find(({ kind, metadata }) => kind === 'Secret' && metadata.name === SECRET.siteAuthority);
  const ca = (secret as SecretResource | undefined)?.data['ca'];
  return ca === undefined ? undefined : Buffer.from(ca, 'base64').toString('utf8');
}

function certificatesIn(pem: string): readonly string[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)].map(([text]) => `${text}\n`);
}

function deploymentRef(namespace: string, name: string): ObjectRef {
  return { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name };
}
