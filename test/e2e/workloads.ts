// What stands on the clusters for the scenarios: services that answer with the name of the peer they run on.
import type { Cluster } from '../../src/kubernetes/cluster';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import { watchObjectUntil, watchUntil } from '../../src/kubernetes/watch-until';
import type { PeerName } from './options';

/** Namespace of everything that the end-to-end run brings along. */
export const NAMESPACE = 'skyfabric-e2e';

/** Runs on left and right, and is called from the hub. */
export const ECHO = { name: 'echo', namespace: NAMESPACE, port: 8080 } as const;
/** Runs on all three; the hub's replicas and the remote ones are to share one Service. */
export const SHARED = { name: 'shared', namespace: NAMESPACE, port: 8080 } as const;

const LISTENS = 5678;
const START_TIMEOUT_MS = 180_000;
const GONE_TIMEOUT_MS = 120_000;

/** Makes the namespace and its services, and waits until they serve. @throws conflict when they are there already */
export async function startWorkloads(cluster: Cluster, peer: PeerName): Promise<void> {
  await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  const names = peer === 'hub' ? [SHARED.name] : [ECHO.name, SHARED.name];
  for (const object of names.flatMap((name) => echoServer(name, peer))) await cluster.create(object);
  interface Deployment extends KubeObject {
    readonly status?: { readonly availableReplicas?: number };
  }
  await watchUntil<Deployment, true>(cluster, {
    query: { apiVersion: 'apps/v1', kind: 'Deployment', namespace: NAMESPACE },
    until: (deployments) => (deployments.every(({ status }) => status?.availableReplicas === 1) ? true : undefined),
    describe: () => `the services in namespace ${NAMESPACE} do not run`,
    timeoutMs: START_TIMEOUT_MS,
  });
}

/** Removes the namespace, and waits until it is gone. */
export async function stopWorkloads(cluster: Cluster): Promise<void> {
  const ref = { apiVersion: 'v1', kind: 'Namespace', name: NAMESPACE };
  await cluster.delete(ref);
  await watchObjectUntil(cluster, {
    ref,
    until: (object) => (object === undefined ? true : undefined),
    describe: () => `namespace ${NAMESPACE} is not gone`,
    timeoutMs: GONE_TIMEOUT_MS,
  });
}

function echoServer(name: string, answer: string): (KubeObject & { readonly spec: object })[] {
  const labels = { app: name };
  const container = {
    name,
    image: 'hashicorp/http-echo:1.0',
    imagePullPolicy: 'IfNotPresent',
    args: [`-listen=:${LISTENS}`, `-text=${answer}`],
    ports: [{ containerPort: LISTENS }],
    readinessProbe: { tcpSocket: { port: LISTENS }, periodSeconds: 1 },
  };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: NAMESPACE, labels },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: NAMESPACE, labels },
      spec: { selector: labels, ports: [{ port: ECHO.port, targetPort: LISTENS }] },
    },
  ];
}
