// Whether a bootstrap can succeed on a peer's cluster, found out before anything is changed. All findings at once; only a cluster that
// does not answer ends the look.
import { DEFINITIONS } from '../src/clusterlink/definitions';
import { looserBounds } from '../src/clusterlink/looser-bounds';
import type { Steps } from '../src/contract/activities';
import type { CheckFinding } from '../src/contract/results';
import { isFabricError } from '../src/errors/fabric-error';
import { ORIGIN_LABEL } from '../src/kubernetes/claim-marks';
import { clusterUid, currentUser, findMissingPermissions, isIncluded, serverVersion, type ServerVersion } from '../src/kubernetes/access';
import { digestOf } from '../src/kubernetes/digest';
import { refOf, type KubeObject } from '../src/kubernetes/kube-object';
import type { GatewayOptions } from '../src/model/gateway';
import type { Peer } from '../src/model/peer';
import { signal, tellProgress } from './activity-context';
import type { ActivityDeps } from './deps';
import { isMarked, readAnchor, requireSamePeer, type GatewayPlace } from './gateway-anchor';
import { describeElsewhere, findElsewhere } from './gateway-elsewhere';
import { requireSameMode, SLEEP_SINCE_MINOR } from './gateway-install';
import { observeGateway, refuseControlplaneOwn } from './gateway-objects';
import { observeGatewayState } from './gateway-state';
import { inParallel } from './in-parallel';
import { grant, namespaceObject, subjectOf } from './permission-manifest';
import { describePermission, namespacesOf, neededPermissions } from './permissions';

/** Validation rules in definitions (on by default since 1.25) and pod security as we set it; older releases are not maintained. */
const LEAST_MINOR = 27;
const MOST_NAMED = 8;

/** `preflight`. */
export function preflightActivities({ clusters }: ActivityDeps): Pick<Steps, 'preflight'> {
  return {
    async preflight({ fabric, peer, clusterlink }) {
      const cluster = clusters.cluster(peer);
      const place: GatewayPlace = { cluster, fabric, namespace: peer.namespace, peer: peer.name, signal: signal() };
      tellProgress(`asking ${cluster.server}`);
      const version = await serverVersion(cluster, place.signal);
      const uid = await clusterUid(cluster, place.signal);
      const looks = [
        () => Promise.resolve(judgeVersion(version)),
        () => judgePermissions(place, peer, clusterlink),
        () => judgeNamespace(place),
        () => judgeGateway(place, peer, clusterlink),
        () => judgeElsewhere(place),
        () => judgeDefinitions(place),
      ];
      const judge = async (look: () => Promise<CheckFinding[]>): Promise<CheckFinding[]> => {
        try {
          return await look();
        } catch (error) {
          // What may not be looked at is told by the finding on permissions.
          if (isFabricError(error, 'forbidden')) return [];
          throw error;
        }
      };
      const [findings, gateway] = await Promise.all([inParallel(looks, judge), observeGatewayState(place)]);
      const reachable: CheckFinding = { check: 'reachable', ok: true, message: `${cluster.server} answers` };
      return {
        clusterUid: uid,
        version: version.gitVersion,
        findings: [reachable, ...findings.flat()],
        ...(gateway === undefined ? {} : { gateway }),
      };
    },
  };
}

function judgeVersion({ major, minor, gitVersion }: ServerVersion): CheckFinding[] {
  const number = Number.parseInt(minor, 10);
  if (major !== '1' || number < LEAST_MINOR) {
    return [
      {
        check: 'version',
        ok: false,
        message: `Kubernetes ${gitVersion} is too old: 1.${LEAST_MINOR} or later is needed`,
        hint: 'Upgrade the cluster.',
      },
    ];
  }
  const sleeps = number >= SLEEP_SINCE_MINOR;
  return [
    {
      check: 'version',
      ok: true,
      message: `Kubernetes ${gitVersion}${sleeps ? '' : `: gateways restart without a pause (1.${SLEEP_SINCE_MINOR} has it), so a restart may cost some connections`}`,
    },
  ];
}

async function judgePermissions(place: GatewayPlace, peer: Peer, options: GatewayOptions): Promise<CheckFinding[]> {
  const { cluster, signal: abort } = place;
  const namespaces = await inParallel(namespacesOf(peer, options), (name) => lookAt(place, name));
  // A namespace that an administrator made is used as it is, and never removed.
  const given = namespaces.every(({ standing }) => standing === 'given');
  const needed = neededPermissions({ peer, options }, !given);
  const missing = await findMissingPermissions(cluster, needed, abort);
  if (missing.length === 0) return [{ check: 'permissions', ok: true, message: `all ${needed.length} permissions are there` }];
  const named = missing.slice(0, MOST_NAMED).map(describePermission).join(', ');
  const user = await currentUser(cluster, abort);
  const absent = namespaces.filter(({ standing }) => standing === 'absent').map(({ name }) => namespaceObject(name));
  // Roles need their namespace, and with it nobody needs to make one.
  const lasting = neededPermissions(
    { peer, options },
    namespaces.some(({ standing }) => standing === 'ours'),
  );
  const toGrant = missing.filter((permission) => isIncluded(permission, lasting));
  // A name for these rights only: what was granted by an earlier manifest stays.
  const name = `skyfabric-missing-${peer.name}-${digestOf({ toGrant, user }).slice(0, 8)}`;
  return [
    {
      check: 'permissions',
      ok: false,
      message: `${missing.length} of ${needed.length} permissions are missing: ${named}${missing.length > MOST_NAMED ? ' and more' : ''}`,
      hint: `Grant them to the user of context ${cluster.context}, or use a context of a cluster administrator.`,
      ...(user === undefined ? {} : { manifest: [...absent, ...grant(name, toGrant, subjectOf(user))] }),
    },
  ];
}

/** `given`: somebody else made it; `ours`: we made it, and take it away again. What may not be seen counts as absent. */
async function lookAt(
  { cluster, signal: abort }: GatewayPlace,
  name: string,
): Promise<{ readonly name: string; readonly standing: 'absent' | 'given' | 'ours' }> {
  const found = await cluster.get<KubeObject>({ apiVersion: 'v1', kind: 'Namespace', name }, abort).catch((error: unknown) => {
    if (isFabricError(error, 'forbidden')) return undefined;
    throw error;
  });
  return { name, standing: found === undefined ? 'absent' : found.metadata.labels?.[ORIGIN_LABEL] === undefined ? 'given' : 'ours' };
}

async function judgeNamespace({ cluster, namespace, signal: abort }: GatewayPlace): Promise<CheckFinding[]> {
  const current = await cluster.get<KubeObject>({ apiVersion: 'v1', kind: 'Namespace', name: namespace }, abort);
  if (current?.metadata.deletionTimestamp === undefined) {
    return [{ check: 'namespace', ok: true, message: `namespace ${namespace} ${current === undefined ? 'will be made' : 'is there'}` }];
  }
  return [
    {
      check: 'namespace',
      ok: false,
      message: `namespace ${namespace} is being deleted`,
      hint: `Wait until it is gone; if it stays, see what holds it: \`kubectl --context ${cluster.context} get namespace ${namespace} -o yaml\`.`,
    },
  ];
}

async function judgeGateway(place: GatewayPlace, peer: Peer, options: GatewayOptions): Promise<CheckFinding[]> {
  try {
    const anchor = await readAnchor(place);
    const standing = await observeGateway(place, { peer, options });
    const removing = anchor?.data?.removing;
    if (removing !== undefined) {
      const message = `a gateway is being removed, last tried at ${removing}: if that was interrupted, it is finished before a new one is installed`;
      return [{ check: 'gateway', ok: true, message }];
    }
    const stands = standing.some(({ metadata }) => metadata.namespace === place.namespace);
    if (anchor === undefined && !stands) await refuseControlplaneOwn(place);
    requireSamePeer(place, anchor?.data?.peer);
    requireSameMode(peer, options, anchor);
    return [
      {
        check: 'gateway',
        ok: true,
        message: standing.length === 0 ? 'no gateway is there' : `a gateway of fabric ${place.fabric} is there, and will be kept`,
      },
    ];
  } catch (error) {
    if (!isFabricError(error, 'conflict') && !isFabricError(error, 'invalid')) throw error;
    return [
      { check: 'gateway', ok: false, message: error.message.replace(/\.$/, ''), ...(error.hint === undefined ? {} : { hint: error.hint }) },
    ];
  }
}

async function judgeElsewhere(place: GatewayPlace): Promise<CheckFinding[]> {
  const [first, ...more] = await findElsewhere(place);
  if (first === undefined) return [{ check: 'elsewhere', ok: true, message: 'no other ClusterLink is on this cluster' }];
  return [{ check: 'elsewhere', ok: false, ...describeElsewhere(place.fabric, [first, ...more]) }];
}

/** Definitions that are there are kept, even our own of another version: replacing one could invalidate the objects that it holds. */
async function judgeDefinitions({ cluster, fabric, signal: abort }: GatewayPlace): Promise<CheckFinding[]> {
  const looks = await inParallel(DEFINITIONS, async (definition) => ({
    definition,
    standing: await cluster.get<KubeObject>(refOf(definition), abort),
  }));
  const found = looks.flatMap(({ definition, standing }) => (standing === undefined ? [] : [{ definition, standing }]));
  const theirs = found.filter(({ standing }) => !isMarked(standing, fabric));
  const looser = found
    .map(({ definition, standing }) => ({ kind: definition.spec.names.kind, admits: looserBounds(standing, definition) }))
    .filter(({ admits }) => admits.length > 0);
  if (theirs.length === 0 && looser.length === 0) return [];
  const kept =
    theirs.length === 0
      ? "ClusterLink's definitions are of another version: they are used as they are"
      : `${theirs.length} of ClusterLink's definitions are somebody else's: they are used as they are, and stay`;
  const lines = looser.map(({ kind, admits }) => `\n  ${kind} admits ${admits.join(', ')}`).join('');
  const warning = looser.length === 0 ? '' : `. Warning: they let through what ClusterLink may not survive or ignores:${lines}`;
  return [{ check: 'definitions', ok: true, message: `${kept}${warning}` }];
}
