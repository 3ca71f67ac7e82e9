// How ClusterLink's gateways are installed in the peers of a fabric.
import { z } from 'zod';
import { dnsLabel, labelKey, labelValue } from './names';

const quantity = z.string().regex(/^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?$/, 'must be a Kubernetes quantity such as "100m" or "256Mi"');
const resourceList = z.strictObject({ cpu: quantity.optional(), memory: quantity.optional() });
const resources = z.strictObject({ requests: resourceList.optional(), limits: resourceList.optional() });
const replicas = z.int().min(1, 'must be 1–10').max(10, 'must be 1–10').default(1);

/** A ClusterLink release's tag: a version, never a moving name such as `latest`. */
export const releaseTag = z.string().regex(/^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]{1,40})?$/, 'must be a release such as "v0.4.1"');

/** Name of the ConfigMap that carries the claims on a gateway, in its namespace. */
export const ANCHOR = 'skyfabric-gateway';

/** The gateways' options, the same for every peer of a run. */
export const gatewayOptions = z.strictObject({
  /** `direct`: our own manifests. `operator`: ClusterLink's operator and an Instance. */
  mode: z.enum(['direct', 'operator']).default('direct'),
  /** The data plane: Envoy, or ClusterLink's own in Go. */
  dataplane: z.enum(['envoy', 'go']).default('envoy'),
  /** Image registry and path, without a trailing slash. */
  registry: z
    .string()
    .regex(
      /^[a-z0-9]+([._-][a-z0-9]+)*(:\d{1,5})?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/,
      'must be an image registry and path such as "ghcr.io/clusterlink-net"',
    )
    .default('ghcr.io/clusterlink-net'),
  /** Image tag. */
  tag: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, 'must be an image tag such as "v0.4.1"')
    .default('v0.4.1'),
  controlplaneReplicas: replicas,
  dataplaneReplicas: replicas,
  logLevel: z.enum(['trace', 'debug', 'info', 'warning', 'error', 'fatal']).default('info'),
  /** Names of Secrets in the gateway's namespace; they must exist. */
  imagePullSecrets: z.array(dnsLabel).default([]),
  /** Labels put on every object and pod of the gateway, beside our own. */
  labels: z.record(labelKey, labelValue).default({}),
  controlplaneResources: resources.default({}),
  dataplaneResources: resources.default({}),
  /** Whether a gateway must answer TLS to the worker before a Peer names it; off where workers cannot reach gateways. */
  probeGateways: z.boolean().default(true),
});
export type GatewayOptions = z.output<typeof gatewayOptions>;

/** A pattern, not a function, so that schema/ holds it: clients in other languages must not send such a source either. */
const NO_CREDENTIALS = /^(?![A-Za-z]+:\/\/([^/]*@|[^?]*\?))/;

/** The `clusterlink` binary on the worker: skipped, or installed from a release. */
export const binaryOptions = z.strictObject({
  tag: releaseTag.default('v0.4.1'),
  /** A mirror: an `https:` URL prefix, or a local path. Upstream's releases by default. */
  source: z
    .string()
    .min(1, 'must not be empty')
    .max(2048)
    .regex(NO_CREDENTIALS, 'must hold no user, password or query: it stays in the history of the run')
    .optional(),
  /** SHA-256 of the archive, 64 hex digits; what was seen first is kept to otherwise. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
    .optional(),
});
export type BinaryOptions = z.output<typeof binaryOptions>;

const keyBits = z.union([z.literal(2048), z.literal(3072), z.literal(4096)], 'must be 2048, 3072 or 4096');
const days = z.int().min(1, 'must be at least 1 day').max(36500, 'must be at most 36500 days');

/** Key sizes in bits (RSA) and lifetimes in days. Source of the defaults: ClusterLink v0.4.1 (10 years). */
export const certificateOptions = z.strictObject({
  authorityKeyBits: keyBits.default(4096),
  keyBits: keyBits.default(2048),
  authorityDays: days.default(3650),
  days: days.default(3650),
  /** A certificate this near its end is made again by the next bootstrap. */
  renewBeforeDays: days.default(30),
});
export type CertificateOptions = z.output<typeof certificateOptions>;
