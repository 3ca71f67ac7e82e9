// The certificates that a gateway's pods find in their mounted files, read and checked as ClusterLink's processes do at their start.
// Source of the paths: ClusterLink v0.4.1, deployment manifests.
import { X509Certificate, createPrivateKey } from 'node:crypto';
import tls from 'node:tls';
import { FabricError } from '../../errors/fabric-error';
import type { Files } from '../node-agent/program';

const SITE_CA = '/etc/ssl/certs/clink_ca.pem';

/** A certificate with its key and the authority it trusts, ready for TLS. */
export interface Credentials {
  /** The first DNS name of the certificate: the identity it stands for. */
  readonly name: string;
  readonly options: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly context: tls.SecureContext;
}

/** The identity that the peers know this gateway by: `cl-peer`. @throws unready naming the file that is missing or wrong */
export function readPeerCredentials(files: Files): Credentials {
  return read(files, '/etc/ssl/certs/clink/ca.pem', '/etc/ssl/certs/clink/cert.pem', '/etc/ssl/certs/clink/key.pem');
}

/** The certificates of `cl-controlplane` or `cl-dataplane`, which only the two of them use. @throws unready, as above */
export function readSiteCredentials(files: Files, component: 'controlplane' | 'dataplane'): Credentials {
  return read(files, SITE_CA, `/etc/ssl/certs/clink-${component}.pem`, `/etc/ssl/key/clink-${component}.pem`);
}

/** The first DNS name of a certificate; `undefined` when it has none. */
function firstDnsName(certificate: X509Certificate): string | undefined {
  return certificate.subjectAltName
    ?.split(', ')
    .find((name) => name.startsWith('DNS:'))
    ?.slice('DNS:'.length);
}

function read(files: Files, caPath: string, certPath: string, keyPath: string): Credentials {
  const [ca, cert, key] = [caPath, certPath, keyPath].map((path) => {
    const text = files.get(path);
    if (text === undefined) throw unusable(path, 'no such file or directory');
    return text;
  }) as [string, string, string];
  const certificate = parse(certPath, () => new X509Certificate(cert));
  const privateKey = parse(keyPath, () => createPrivateKey(key));
  parse(caPath, () => new X509Certificate(ca));
  if (!certificate.checkPrivateKey(privateKey)) throw unusable(keyPath, `private key does not match the certificate in ${certPath}`);
  const name = firstDnsName(certificate);
  if (name === undefined) throw unusable(certPath, 'the certificate has no DNS name');
  const options = { ca, cert, key };
  return { name, options, context: parse(certPath, () => tls.createSecureContext(options)) };
}

/** What the parser says is left out: it may quote the file. */
function parse<T>(path: string, parser: () => T): T {
  try {
    return parser();
  } catch {
    throw unusable(path, 'not a usable PEM file');
  }
}

function unusable(path: string, why: string): FabricError {
  return new FabricError({ code: 'unready', message: `open ${path}: ${why}` });
}
