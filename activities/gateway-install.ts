// Installing a gateway, in two steps between which its certificate is signed elsewhere. Both find their work done when it is:
// what stands is compared first, and nothing is written unless something differs.
import type { CertificateFacts, Change, GatewayInput } from '../src/contract/activities';
import { OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import { FabricError } from '../src/errors/fabric-error';
import { serverVersion } from '../src/kubernetes/access';
import { digestOf } from '../src/kubernetes/digest';
import { describeRef, refOf, type KubeObject } from '../src/kubernetes/kube-object';
import { isRoleMissing } from '../src/kubernetes/kubernetes-errors';
import type { GatewayOptions } from '../src/model/gateway';
import type { Peer } from '../src/model/peer';
import { inspectCertificate } from '../src/pki/certificate-facts';
import { tellProgress } from './activity-context';
import {
  claimGateway,
  gatewayClaims,
  isAppliedBy,
  isFound,
  noteApplied,
  readAnchor,
  requireSameAuthority,
  requireSamePeer,
  type Anchor,
  type GatewayPlace,
} from './gateway-anchor';
import {
  dropPendingKey,
  factsOf,
  goodPeerCertificate,
  goodSiteCertificates,
  requestPeerCertificate,
  requireSiteCertificates,
  siteCertificates,
  takePendingKey,
} from './gateway-certificates';
import { ensureDefinitions } from './gateway-definitions';
import { refuseElsewhere } from './gateway-elsewhere';
import { ensureNamespace } from './gateway-namespace';
import {
  designedObjects,
  isComplete,
  isOperatorGatewayBroken,
  observeGateway,
  refuseControlplaneOwn,
  wakeOperator,
  type GatewayDesign,
} from './gateway-objects';
import { keepEarlier, readEarlier, refuseTakenNames } from './gateway-record';
import { isLeaving, tellRemains } from './gateway-remains';
import { rollOut } from './gateway-rollout';
import { inParallel } from './in-parallel';

type InstallInput = GatewayInput & { readonly authorityPem: string };

/** The minor version of Kubernetes 1 from which pods can be told to sleep before they stop. Source: KEP-3960. */
export const SLEEP_SINCE_MINOR = 30;

/**
 * Namespace, claim, definitions; what stands is kept for undoing; and a certificate request, when the peer needs a new certificate.
 * @throws FabricError `conflict` for somebody else's gateway or another authority's, before anything is written, and for another gateway on the cluster; `invalid` for a change of mode
 */
export async function prepareGateway(place: GatewayPlace, input: InstallInput): Promise<Change & { readonly requestPem?: string }> {
  const { claimant, peer, clusterlink, certificates, authorityPem } = input;
  tellProgress('looking at what stands');
  // The anchor is made first and goes last: what stands when it was not there has lost it.
  const before = await readAnchor(place);
  const standing = await observeGateway(place, { peer, options: clusterlink });
  refuseLeaving(place, standing);
  const stands = standing.some(({ metadata }) => metadata.namespace === peer.namespace);
  if (before === undefined && !stands) await refuseControlplaneOwn(place);
  requireSamePeer(place, before?.data?.peer);
  requireSameMode(peer, clusterlink, before);
  requireSameAuthority(place, before, claimant.id, fingerprintOf(authorityPem));
  await refuseTakenNames(place, claimant, {
    record: async () => isComplete(standing) && !isAppliedBy(before, claimant) && (await needsChange(place, input, standing)),
    key: () => goodPeerCertificate(peer.name, standing, authorityPem, certificates.renewBeforeDays) === undefined,
  });

  const namespaces = clusterlink.mode === 'operator' ? [peer.namespace, OPERATOR_NAMESPACE] : [peer.namespace];
  const made = await inParallel(namespaces, (namespace) => ensureNamespace(place, claimant, namespace));
  const { anchor, changed: claimed } = await claimGateway(place, claimant, { options: optionsDigest(input) }, stands);
  await refuseElsewhere(place);
  tellProgress('definitions');
  const defined = await ensureDefinitions(place);
  await beginChange(place, input, anchor, standing);

  // Also what an earlier attempt of this run did.
  const changed = made.includes(true) || claimed || defined || gatewayClaims(anchor).some(({ run }) => run === claimant.run);
  if (goodPeerCertificate(peer.name, standing, authorityPem, certificates.renewBeforeDays) !== undefined) {
    return { changed, note: claimed ? 'claimed; certificate kept' : 'certificate kept' };
  }
  tellProgress('key and certificate request');
  const request = await requestPeerCertificate(place, claimant, certificates.keyBits);
  return { changed: changed || request.changed, note: 'certificate requested', requestPem: request.requestPem };
}

/**
 * Secrets, permissions, Services, control plane and data plane.
 * @throws FabricError `conflict` when the claim or the waiting key was taken away since `prepareGateway`
 */
export async function deployGateway(
  place: GatewayPlace,
  input: InstallInput & { readonly certificatePem?: string },
): Promise<Change & { readonly certificate: CertificateFacts }> {
  const { claimant, peer, clusterlink, certificates, authorityPem } = input;
  const anchor = await readAnchor(place);
  if (anchor === undefined || !gatewayClaims(anchor).some((claim) => claim.id === claimant.id)) {
    throw new FabricError({
      code: 'conflict',
      message: `The claim on the gateway in namespace ${peer.namespace} was taken away while it was being installed.`,
      hint: 'See which run removed it, then run the bootstrap again.',
    });
  }
  requireSameAuthority(place, anchor, claimant.id, fingerprintOf(authorityPem));
  const standing = await observeGateway(place, { peer, options: clusterlink });
  refuseLeaving(place, standing);
  const good = goodPeerCertificate(peer.name, standing, authorityPem, certificates.renewBeforeDays);
  if (!(await beginChange(place, input, anchor, standing)) && good !== undefined) {
    return { changed: false, note: 'unchanged', certificate: factsOf(good.certificatePem) };
  }
  const keyed = good ?? (await takePendingKey(place, claimant, input.certificatePem, authorityPem));
  tellProgress('site certificates');
  const site = await siteCertificates(standing, certificates);
  const objects = designedObjects(place.fabric, await designOf(place, input), { site, peer: keyed, authorityPem });
  tellProgress('Secrets, permissions, Services, control plane and data plane');
  await rollOut(place, {
    standing,
    ...objects,
    write: async (object) => refuseLeaving(place, [(await place.cluster.apply(object, { signal: place.signal })).object]),
    onSecrets: () => requireSiteCertificates(place, site),
  });
  if (await isOperatorGatewayBroken(place, standing)) await wakeOperator(place, standing);
  await dropPendingKey(place, claimant, undefined);
  // True of the run, whatever was left to do for this attempt.
  const note = (await readEarlier(place, claimant)) === undefined ? 'installed' : 'updated';
  return { changed: true, note, certificate: factsOf(keyed.certificatePem) };
}

/**
 * Says whether the gateway needs a change, and before it gets the first one, keeps what stands and notes who changes it. From then
 * on this run owns what stands, so it neither asks nor keeps again.
 */
async function beginChange(place: GatewayPlace, input: InstallInput, anchor: Anchor, standing: readonly KubeObject[]): Promise<boolean> {
  const { claimant, clusterlink, authorityPem } = input;
  if (isAppliedBy(anchor, claimant)) return true;
  if (!(await needsChange(place, input, standing))) return false;
  // What another run has only begun to make is no earlier state: putting it back would take away what that run goes on to make.
  if (isComplete(standing) || isFound(anchor)) await keepEarlier(place, claimant, anchor, standing);
  await noteApplied(place, claimant, anchor, {
    mode: clusterlink.mode,
    options: optionsDigest(input),
    authority: fingerprintOf(authorityPem),
  });
  return true;
}

async function needsChange(place: GatewayPlace, input: InstallInput, standing: readonly KubeObject[]): Promise<boolean> {
  const { peer, certificates, authorityPem } = input;
  const good = goodPeerCertificate(peer.name, standing, authorityPem, certificates.renewBeforeDays);
  const site = goodSiteCertificates(standing, certificates.renewBeforeDays);
  if (good === undefined || site === undefined || (await isOperatorGatewayBroken(place, standing))) return true;
  const { first, last } = designedObjects(place.fabric, await designOf(place, input), { site, peer: good, authorityPem });
  const { cluster, signal } = place;
  const tried = await inParallel([...first, ...last], (object) =>
    cluster.apply(object, { dryRun: true, signal }).catch((error: unknown) => {
      // A binding cannot be tried without its role, which then is missing too.
      if (isRoleMissing(error)) return { changed: true };
      throw error;
    }),
  );
  return tried.some(({ changed }) => changed);
}

async function designOf({ cluster, signal }: GatewayPlace, { peer, clusterlink }: InstallInput): Promise<GatewayDesign> {
  const { minor } = await serverVersion(cluster, signal);
  return { peer, options: clusterlink, waitBeforeStop: Number.parseInt(minor, 10) >= SLEEP_SINCE_MINOR };
}

/** @throws FabricError `pending` while an object of the gateway is being deleted: what is written to it goes with it */
function refuseLeaving({ peer }: GatewayPlace, objects: readonly KubeObject[]): void {
  const leaving = objects.filter(isLeaving);
  const [first] = leaving;
  if (first === undefined) return;
  throw new FabricError({
    code: 'pending',
    message: `${tellRemains(leaving)}.`,
    hint: 'It is made anew once it is gone; if it stays, see why whoever set its finalizers does not take them off.',
    peer,
    object: describeRef(refOf(first)),
  });
}

function fingerprintOf(authorityPem: string): string {
  return inspectCertificate(authorityPem).fingerprint256;
}

/** What tells whether two claims ask for the same gateway. */
function optionsDigest({ peer, clusterlink }: InstallInput): string {
  return digestOf({ clusterlink, ingress: peer.ingress, labels: peer.labels }).slice(0, 16);
}

/** @throws FabricError `invalid` when the gateway stands in another mode: ClusterLink's operator and our manifests use the same names */
export function requireSameMode(peer: Peer, { mode: wanted }: GatewayOptions, anchor: Anchor | undefined): void {
  const mode = anchor?.data?.mode;
  if (mode === undefined || mode === wanted) return;
  throw new FabricError({
    code: 'invalid',
    message: `The gateway of peer ${peer.name} was installed in mode ${mode}, which cannot be changed to ${wanted} while it stands.`,
    hint: `Use --mode ${mode}, or tear this peer down first.`,
  });
}
