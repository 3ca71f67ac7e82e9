// Objects that a ClusterLink control plane admits and does not survive: one of them blinds it to a whole kind, makes it crash
// again and again, or is ignored in silence. They are refused here, before they are sent, whatever made them.
import { z } from 'zod';
import { describeRef, refOf, type KubeObject } from '../kubernetes/kube-object';
import { loadBalancing } from '../model/connection';
import { dnsLabel, host, labelKey, labelValue, port, serviceName } from '../model/names';
import { parseAll } from '../model/problems';
import { DATAPLANE_OWN_PORTS } from './manifest';
import { CLUSTERLINK_GROUP } from './resources';

const ALLOCATED = { least: 1024, most: 49151 } as const;

const objectName = z
  .string()
  .max(253, 'must be at most 253 characters')
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must consist of a-z, 0-9, "-" and ".", and begin and end with a letter or digit');

const inNamespace = (name: z.ZodType): z.ZodType => z.object({ name, namespace: dnsLabel });
const clusterWide = z.object({ name: objectName, namespace: z.undefined('must not be given: it is cluster-wide').optional() });

const requirement = z
  .strictObject({
    key: labelKey,
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
    values: z.array(labelValue).optional(),
  })
  .superRefine(({ operator, values = [] }, context) => {
    const wantsValues = operator === 'In' || operator === 'NotIn';
    if (wantsValues === values.length > 0) return;
    context.addIssue({
      code: 'custom',
      path: ['values'],
      message: wantsValues ? `must not be empty with ${operator}` : `must be empty with ${operator}`,
    });
  });

const labels = z.record(z.string(), labelValue).superRefine((given, context) => {
  for (const key of Object.keys(given)) {
    if (!labelKey.safeParse(key).success) context.addIssue({ code: 'custom', path: [key], message: 'must be a Kubernetes label key' });
  }
});

const selection = z.strictObject({
  workloadSets: z.array(z.string()).max(0, 'must be empty: ClusterLink ignores a policy with it').optional(),
  workloadSelector: z.strictObject({
    matchLabels: labels.optional(),
    matchExpressions: z.array(requirement).optional(),
  }),
});

const policySpec = z.strictObject({
  action: z.enum(['allow', 'deny']),
  from: z.array(selection).min(1, 'must not be empty'),
  to: z.array(selection).min(1, 'must not be empty'),
});

const source = z.strictObject({ peer: dnsLabel, exportName: serviceName, exportNamespace: dnsLabel });

/** @param held the targetPort of the object as it stands on the cluster: only that one may be sent back. */
const importSpec = (held: unknown): z.ZodType =>
  z.strictObject({
    port,
    targetPort: z
      .int()
      .min(ALLOCATED.least, `must be ${ALLOCATED.least}–${ALLOCATED.most}`)
      .max(ALLOCATED.most, `must be ${ALLOCATED.least}–${ALLOCATED.most}`)
      .refine((value) => !DATAPLANE_OWN_PORTS.includes(value), `must not be ${DATAPLANE_OWN_PORTS.join(', ')}: the data plane's own`)
      .refine((value) => value === held, 'must be left to the control plane')
      .optional(),
    sources: z.array(source),
    lbScheme: loadBalancing.optional(),
  });

/** What is safe to send, by kind; other kinds are no concern of a control plane's. */
const SAFE: Readonly<Record<string, (held: unknown) => z.ZodType>> = {
  Peer: () =>
    z.object({
      metadata: inNamespace(dnsLabel),
      spec: z.strictObject({
        gateways: z
          .array(z.strictObject({ host, port }))
          .min(1, 'must not be empty: the control plane would crash')
          .max(1, 'must be one: with more the control plane comes to a stand'),
      }),
    }),
  Export: () => z.object({ metadata: inNamespace(serviceName), spec: z.strictObject({ host: host.optional(), port }) }),
  Import: (held) => z.object({ metadata: inNamespace(serviceName), spec: importSpec(held) }),
  AccessPolicy: () => z.object({ metadata: inNamespace(objectName), spec: policySpec }),
  PrivilegedAccessPolicy: () => z.object({ metadata: clusterWide, spec: policySpec }),
};

/**
 * Refuses an object that ClusterLink cannot survive or ignores in silence. To be called on every object before it is sent.
 * @param current the object as it stands on the cluster; an Import may keep the `targetPort` that was allocated to it.
 * @throws FabricError `invalid`, with all problems at once
 */
export function assertSafe(resource: KubeObject, current?: KubeObject): void {
  const schema = resource.apiVersion.startsWith(`${CLUSTERLINK_GROUP}/`) ? SAFE[resource.kind] : undefined;
  if (schema === undefined) return;
  const held = (current as { readonly spec?: { readonly targetPort?: unknown } } | undefined)?.spec?.targetPort;
  parseAll(schema(held), resource, describeRef(refOf(resource)));
}
