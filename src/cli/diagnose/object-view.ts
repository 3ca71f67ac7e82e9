// What is shown of a cluster's objects. Of Secrets, and of ConfigMaps that are not ours, never a value.
import type { KubeObject } from '../../kubernetes/kube-object';
import { ANCHOR } from '../../model/gateway';
import { isRecord } from '../../model/problems';
import { inspectCertificate, type CertificateFacts } from '../../pki/certificate-facts';

/** A Secret or a ConfigMap; of a Secret the values are base64. */
export interface DataObject extends KubeObject {
  readonly type?: string;
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

/** What is told of one value. */
interface ValueFacts {
  readonly bytes: number;
  readonly certificates?: readonly CertificateFacts[];
}

/** A Secret without its values. */
export interface SecretView extends KubeObject {
  readonly data: Readonly<Record<string, ValueFacts>>;
}

/** Repeats the whole object, values included. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** An object as it stands, without what only repeats it. */
export function objectView(object: KubeObject): KubeObject {
  return { ...object, metadata: metadataView(object) };
}

/** A Secret's metadata, the names and sizes of its values, and the facts of the certificates in them. */
export function secretView(secret: DataObject): SecretView {
  const { apiVersion, kind, type, immutable, data = {} } = secret;
  const { annotations = {}, ...metadata } = metadataView(secret);
  // What others note on a Secret may repeat what is in it.
  const notes = mapValues(annotations, (text) => `${Buffer.byteLength(text)} bytes`);
  return {
    apiVersion,
    kind,
    metadata: { ...metadata, annotations: notes },
    ...{ type, immutable },
    data: mapValues(data, (value) => valueFacts(decode(value))),
  };
}

/** A ConfigMap with the names and sizes of its values; the gateway's anchor, which holds names and digests, is shown whole. */
export function configMapView(configMap: DataObject): KubeObject {
  if (configMap.metadata.name === ANCHOR) return objectView(configMap);
  const { data = {}, binaryData = {}, ...rest } = configMap;
  const values = { ...mapValues(data, valueFacts), ...mapValues(binaryData, (value) => valueFacts(decode(value))) };
  return { ...objectView(rest), ...{ data: values } };
}

/** A definition without its schema. */
export function definitionView(definition: KubeObject & { readonly spec?: object; readonly status?: object }): KubeObject {
  const spec: Readonly<Record<string, unknown>> = { ...definition.spec };
  const versions = (Array.isArray(spec['versions']) ? spec['versions'] : []).map((version: unknown) =>
    isRecord(version) ? { name: version['name'], served: version['served'], storage: version['storage'] } : version,
  );
  return { ...objectView(definition), ...{ spec: { group: spec['group'], scope: spec['scope'], names: spec['names'], versions } } };
}

/** The values of a Secret, decoded. */
export function secretValues({ type, data = {} }: DataObject): string[] {
  return (
    Object.entries(data)
      .filter(([key]) => type !== 'kubernetes.io/service-account-token' || key !== 'namespace')
      // Binary ones show in base64 only.
      .flatMap(([, value]) => [decode(value), value])
  );
}

function metadataView({ metadata }: KubeObject): KubeObject['metadata'] {
  const { annotations, managedFields, ...rest } = metadata as KubeObject['metadata'] & { readonly managedFields?: unknown };
  const kept = Object.entries(annotations ?? {}).filter(([name]) => name !== LAST_APPLIED);
  // Who wrote last, and when; not which fields.
  const managers = (Array.isArray(managedFields) ? managedFields : []).map((entry: unknown) =>
    isRecord(entry) ? { ...entry, fieldsV1: undefined } : entry,
  );
  return {
    ...rest,
    ...(annotations === undefined ? {} : { annotations: Object.fromEntries(kept) }),
    ...(managers.length === 0 ? {} : { managedFields: managers }),
  };
}

function valueFacts(value: string): ValueFacts {
  const certificates = [...value.matchAll(CERTIFICATE)].flatMap(([pem]) => {
    try {
      return [inspectCertificate(pem)];
    } catch {
      return [];
    }
  });
  return { bytes: Buffer.byteLength(value), ...(certificates.length === 0 ? {} : { certificates }) };
}

function decode(value: string): string {
  return Buffer.from(value, 'base64').toString('utf8');
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
