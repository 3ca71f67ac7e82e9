// The certificates of a gateway: kept while they are good, made anew otherwise. Their keys are born here, in the worker that
// talks to the cluster, and go straight into the cluster's Secrets; only requests and certificates are ever returned.
import { SECRET, siteRevision, type SitePems } from '../src/clusterlink/gateway-secrets';
import type { SecretResource } from '../src/clusterlink/manifest';
import type { CertificateFacts } from '../src/contract/activities';
import { FabricError } from '../src/errors/fabric-error';
import { fabricSelector } from '../src/kubernetes/claim-marks';
import type { KubeObject, ObjectRef } from '../src/kubernetes/kube-object';
import type { Claimant } from '../src/model/claimant';
import type { CertificateOptions } from '../src/model/gateway';
import { createPeerRequest, createSiteCertificates, type KeyedCertificate } from '../src/pki/certificate';
import { findPeerCertificateProblem, findSiteCertificateProblem, inspectCertificate } from '../src/pki/certificate-facts';
import { keyMatchesCertificate } from '../src/pki/key-pair';
import { isMarked, marksOf, type GatewayPlace } from './gateway-anchor';
import { PENDING_KEY_PREFIX, takenError } from './gateway-objects';

/** The run that made a pending key. */
const RUN_ANNOTATION = 'skyfabric.io/run';

/** The peer certificate that stands, when it may be kept. */
export function goodPeerCertificate(
  peer: string,
  standing: readonly KubeObject[],
  authorityPem: string,
  renewBeforeDays: number,
): KeyedCertificate | undefined {
  const data = secretData(standing, SECRET.peer);
  const certificatePem = data['cert.pem'];
  const keyPem = data['key.pem'];
  if (certificatePem === undefined || keyPem === undefined) return undefined;
  const problem = findPeerCertificateProblem({ certificatePem, keyPem, authorityPem, peer, renewBeforeDays });
  return problem === undefined ? { certificatePem, keyPem } : undefined;
}

/** The site certificates that stand, when all of them may be kept. */
export function goodSiteCertificates(standing: readonly KubeObject[], renewBeforeDays: number): SitePems | undefined {
  const caPem = secretData(standing, SECRET.siteAuthority)['ca'];
  const [controlplane, dataplane] = [SECRET.controlplane, SECRET.dataplane].map((name) => {
    const { cert, key } = secretData(standing, name);
    return cert === undefined || key === undefined ? undefined : { certificatePem: cert, keyPem: key };
  });
  if (caPem === undefined || controlplane === undefined || dataplane === undefined) return undefined;
  const site = { caPem, controlplane, dataplane };
  return findSiteCertificateProblem({ ...site, renewBeforeDays }) === undefined ? site : undefined;
}

/** Whether a control plane can start with the certificate that stands: also one that is about to be replaced, or whose time is over. */
export function canControlplaneStart(standing: readonly KubeObject[]): boolean {
  const { cert, key } = secretData(standing, SECRET.controlplane);
  return cert !== undefined && key !== undefined && keyMatchesCertificate(key, cert);
}

/** The site certificates to use: those that stand, or new ones. */
export async function siteCertificates(
  standing: readonly KubeObject[],
  { keyBits, days, renewBeforeDays }: CertificateOptions,
): Promise<SitePems> {
  return goodSiteCertificates(standing, renewBeforeDays) ?? (await createSiteCertificates({ keyBits, lifetimeDays: days }));
}

/** Makes sure that no other run has replaced site certificates since they were written. @throws FabricError `unavailable` */
export async function requireSiteCertificates({ cluster, fabric, namespace, peer, signal }: GatewayPlace, site: SitePems): Promise<void> {
  const query = { apiVersion: 'v1', kind: 'Secret', namespace, labelSelector: fabricSelector(fabric) };
  const standing = goodSiteCertificates((await cluster.list<KubeObject>(query, signal)).items, 0);
  if (standing !== undefined && siteRevision(standing) === siteRevision(site)) return;
  throw new FabricError({
    code: 'unavailable',
    message: `Another run writes the site certificates in namespace ${namespace} at the same time.`,
    hint: 'It is tried again with those that stand then; run one bootstrap of a peer at a time.',
    peer,
  });
}

/** Makes a key that waits in the cluster for its certificate, or finds the one that this run has made; returns its request. */
export async function requestPeerCertificate(
  { cluster, fabric, namespace, peer, signal }: GatewayPlace,
  claimant: Claimant,
  keyBits: number,
): Promise<{ readonly requestPem: string; readonly changed: boolean }> {
  const ref = pendingKeyRef(namespace, claimant);
  const waiting = await cluster.get<SecretResource>(ref, signal);
  if (waiting !== undefined && !isMarked(waiting, fabric)) throw takenError(ref);
  const known = decode(waiting)['request.pem'];
  if (known !== undefined && waiting?.metadata.annotations?.[RUN_ANNOTATION] === claimant.run) return { requestPem: known, changed: false };
  // A key that an earlier run left behind: nobody waits for its certificate any more.
  if (waiting !== undefined) await cluster.delete(ref, { uid: waiting.metadata.uid, signal });
  const { requestPem, keyPem } = await createPeerRequest({ peer, keyBits });
  await cluster.create<SecretResource>(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: ref.name, namespace, labels: marksOf(fabric), annotations: { [RUN_ANNOTATION]: claimant.run } },
      type: 'Opaque',
      data: { 'key.pem': Buffer.from(keyPem).toString('base64'), 'request.pem': Buffer.from(requestPem).toString('base64') },
    },
    signal,
  );
  return { requestPem, changed: true };
}

/**
 * The new peer certificate with the key that waits for it, checked to belong together before anything is written.
 * @throws FabricError `conflict` when the key is gone, `invalid` when the certificate is not good
 */
export async function takePendingKey(
  { cluster, fabric, namespace, peer, signal }: GatewayPlace,
  claimant: Claimant,
  certificatePem: string | undefined,
  authorityPem: string,
): Promise<KeyedCertificate> {
  const waiting = await cluster.get<SecretResource>(pendingKeyRef(namespace, claimant), signal);
  const keyPem = waiting !== undefined && isMarked(waiting, fabric) ? decode(waiting)['key.pem'] : undefined;
  if (keyPem === undefined || certificatePem === undefined || !keyMatchesCertificate(keyPem, certificatePem)) {
    throw new FabricError({
      code: 'conflict',
      message: `The key of peer ${peer}'s new certificate is not in namespace ${namespace} any more: somebody else removed or replaced it.`,
      hint: 'Run the bootstrap again: it makes a new key.',
      peer,
    });
  }
  const problem = findPeerCertificateProblem({ certificatePem, keyPem, authorityPem, peer, renewBeforeDays: 0 });
  if (problem !== undefined)
    throw new FabricError({ code: 'invalid', message: `The new certificate of peer ${peer} cannot be used: ${problem}.`, peer });
  return { certificatePem, keyPem };
}

/** Removes the key that waits for this claim's certificate, and nobody else's Secret; with a run, only that run's. */
export async function dropPendingKey(
  { cluster, fabric, namespace, signal }: GatewayPlace,
  claimant: Claimant,
  run: string | undefined,
): Promise<boolean> {
  const ref = pendingKeyRef(namespace, claimant);
  const waiting = await cluster.get<KubeObject>(ref, signal);
  if (waiting === undefined || !isMarked(waiting, fabric)) return false;
  if (run !== undefined && waiting.metadata.annotations?.[RUN_ANNOTATION] !== run) return false;
  return cluster.delete(ref, { uid: waiting.metadata.uid, signal });
}

/** What may be told of a certificate. */
export function factsOf(certificatePem: string): CertificateFacts {
  const { fingerprint256, notAfter } = inspectCertificate(certificatePem);
  return { fingerprint: fingerprint256, notAfter };
}

/** The Secret in which a claim's key waits for its certificate. */
export function pendingKeyRef(namespace: string, { id }: Claimant): ObjectRef {
  return { apiVersion: 'v1', kind: 'Secret', namespace, name: `${PENDING_KEY_PREFIX}${id}` };
}

function secretData(objects: readonly KubeObject[], name: string): Readonly<Record<string, string>> {
  return decode(objects.find((object) => object.kind === 'Secret' && object.metadata.name === name) as SecretResource | undefined);
}

function decode(secret: SecretResource | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}
