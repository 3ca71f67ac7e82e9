// The other end of a measurement: a server that gives back what it gets, and its Service, beside a gateway for as long as a link is measured.
import { FABRIC_LABEL, MANAGED_BY, MANAGED_BY_LABEL } from '../kubernetes/claim-marks';
import type { Service } from '../model/connection';
import { CLOSED_CONTAINER, CLOSED_POD, type DeploymentResource, type ServiceResource } from './manifest';

/** On both objects and the pods: the claim of the measurement that they are for. */
export const ECHO_LABEL = 'skyfabric.io/echo';

export interface EchoOptions {
  /** Name, namespace and port of both. */
  readonly service: Service;
  readonly fabric: string;
  readonly claim: string;
  /** An image with busybox's `nc` and `cat`, as `busybox:1.36`. */
  readonly image: string;
}

/** The server. A Deployment, so that it comes back when its node goes. `nc -ll` runs one `cat` for each connection. */
export function echoDeployment({ service, fabric, claim, image }: EchoOptions): DeploymentResource {
  const labels = { [ECHO_LABEL]: claim };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: service.name, namespace: service.namespace, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        // Marked like what the Deployment's claim marks, so that nobody takes them for somebody else's.
        metadata: { labels: { ...labels, [MANAGED_BY_LABEL]: MANAGED_BY, [FABRIC_LABEL]: fabric } },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          // As the first process of its pod `nc` does not hear of being asked to end.
          terminationGracePeriodSeconds: 1,
          securityContext: CLOSED_POD,
          containers: [
            {
              name: 'echo',
              image,
              imagePullPolicy: 'IfNotPresent',
              // Kubernetes puts the variable in.
              command: ['nc', '-ll', '-p', '$(SKYFABRIC_ECHO_PORT)', '-e', 'cat'],
              env: [{ name: 'SKYFABRIC_ECHO_PORT', value: String(service.port) }],
              ports: [{ containerPort: service.port, protocol: 'TCP' }],
              readinessProbe: { tcpSocket: { port: service.port }, periodSeconds: 1 },
              resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
              securityContext: CLOSED_CONTAINER,
            },
          ],
        },
      },
    },
  };
}

/** Its Service. */
export function echoService({ service: { name, namespace, port }, claim }: EchoOptions): ServiceResource {
  const labels = { [ECHO_LABEL]: claim };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels },
    spec: { type: 'ClusterIP', selector: labels, ports: [{ name: 'echo', port, targetPort: port }] },
  };
}
