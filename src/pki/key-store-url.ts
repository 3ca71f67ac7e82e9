// The option that says where fabric authorities are kept: `file:<directory>` or `kubernetes:[<context>/]<namespace>`.
import { resolve } from 'node:path';
import { FabricError } from '../errors/fabric-error';
import { dnsLabel } from '../model/names';

/** A key store, as its URL names it. */
export type KeyStoreLocation =
  | { readonly kind: 'file'; /** Absolute. */ readonly directory: string }
  | { readonly kind: 'kubernetes'; /** The kubeconfig's current one when absent. */ readonly context?: string; readonly namespace: string };

/**
 * Reads a key store URL. A context may hold slashes: the namespace is what follows the last one.
 * @param base the directory that a relative path starts from; the working directory by default.
 * @throws FabricError `invalid`, with every problem
 */
export function parseKeyStoreUrl(url: string, base: string = process.cwd()): KeyStoreLocation {
  const problems: string[] = [];
  const [, scheme, rest = ''] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  let location: KeyStoreLocation | undefined;
  if (scheme === 'file') location = readFile(rest, base, problems);
  else if (scheme === 'kubernetes') location = readKubernetes(rest, problems);
  else problems.push('must begin with "file:" or "kubernetes:"');
  if (location !== undefined && problems.length === 0) return location;
  throw new FabricError({
    code: 'invalid',
    message: `Key store ${JSON.stringify(url.slice(0, 200))} ${problems.join('; ')}`,
    hint: 'Name a directory, as "file:/var/lib/skyfabric" or "file:./keys", or a namespace, as "kubernetes:skyfabric" or "kubernetes:kind-west/skyfabric".',
  });
}

function readFile(rest: string, base: string, problems: string[]): KeyStoreLocation {
  const path = rest.replace(/^\/\/(?=\/)/, ''); // file:///dir is file:/dir
  if (path === '') problems.push('names no directory');
  if (path.startsWith('//')) problems.push("names a host; only this machine's directories can be used");
  if (path.startsWith('~')) problems.push('begins with "~", which only shells expand');
  if (path.includes('\0')) problems.push('holds a NUL character');
  return { kind: 'file', directory: resolve(base, path) };
}

function readKubernetes(rest: string, problems: string[]): KeyStoreLocation {
  const slash = rest.lastIndexOf('/');
  const namespace = rest.slice(slash + 1);
  const context = rest.slice(0, Math.max(slash, 0));
  if (slash === 0) problems.push('has an empty context before "/"');
  const parsed = dnsLabel.safeParse(namespace);
  problems.push(...(parsed.error?.issues ?? []).map((issue) => `namespace ${issue.message}`));
  return { kind: 'kubernetes', ...(slash > 0 && { context }), namespace };
}
