// The four Secrets of a gateway, under the names and keys that ClusterLink reads. Their content is secret: build them in
// the peer's worker, send them to its cluster, and to nowhere else.
import { createHash } from 'node:crypto';
import type { SecretResource } from './manifest';

/** Names of the Secrets. Source: ClusterLink v0.4.1, pkg/bootstrap/platform/k8s.go. */
export const SECRET = {
  siteAuthority: 'cl-ca',
  controlplane: 'cl-controlplane',
  dataplane: 'cl-dataplane',
  peer: 'cl-peer',
} as const;

/** Made by the control plane itself, and left to us to remove with it. */
export const CONTROLPLANE_OWN = { secret: 'jwk', lease: 'cl-controlplane' } as const;

interface KeyedPem {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** The certificates inside one peer, PEM. */
export interface SitePems {
  readonly caPem: string;
  readonly controlplane: KeyedPem;
  readonly dataplane: KeyedPem;
}

export interface GatewaySecretOptions {
  readonly namespace: string;
  readonly site: SitePems;
  readonly peer: KeyedPem;
  /** The fabric's certificate, or several one after the other while the authority changes. */
  readonly authorityPem: string;
}

/** All four Secrets of a gateway. */
export function gatewaySecrets(options: GatewaySecretOptions): readonly SecretResource[] {
  return [...siteSecrets(options.namespace, options.site), peerSecret(options.namespace, options.peer, options.authorityPem)];
}

/** The Secrets of the site certificates, which pods read at their start. */
export function siteSecrets(namespace: string, site: SitePems): readonly SecretResource[] {
  return [
    secret(namespace, SECRET.siteAuthority, { ca: site.caPem }),
    secret(namespace, SECRET.controlplane, { cert: site.controlplane.certificatePem, key: site.controlplane.keyPem }),
    secret(namespace, SECRET.dataplane, { cert: site.dataplane.certificatePem, key: site.dataplane.keyPem }),
  ];
}

/** The Secret of the peer certificate, which the control plane reads again whenever it changes: key and certificate in one write. */
export function peerSecret(namespace: string, peer: KeyedPem, authorityPem: string): SecretResource {
  return secret(namespace, SECRET.peer, { 'ca.pem': authorityPem, 'cert.pem': peer.certificatePem, 'key.pem': peer.keyPem });
}

/** Names the site certificates in use, for the pods' annotation: a digest of the certificates alone, never of a key. */
export function siteRevision(site: SitePems): string {
  const hash = createHash('sha256');
  for (const pem of [site.caPem, site.controlplane.certificatePem, site.dataplane.certificatePem]) hash.update(pem).update('\0');
  return hash.digest('hex').slice(0, 16);
}

function secret(namespace: string, name: string, content: Readonly<Record<string, string>>): SecretResource {
  const data = Object.fromEntries(Object.entries(content).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type: 'Opaque', data };
}
