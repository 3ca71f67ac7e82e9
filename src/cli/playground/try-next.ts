// What to type next, in another terminal, while the playground stays up.
import { writeFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { stringify } from 'yaml';
import { CALLERS, type Cast, SERVICE } from './cast';
import { fabricRequest } from './fabric-request';
import type { Stage } from './stage';

/** How this program is called: from a clone through npm, else by its name. */
const PROGRAM = extname(__filename) === '.ts' ? 'npm run -s skyfabric --' : 'skyfabric';

/** The lines, commands with all they need; the request of the first part is written beside the kubeconfig, and goes with it. */
export async function tryNext({ address, clusters }: Pick<Stage, 'address' | 'clusters'>, cast: Cast): Promise<string[]> {
  const { exporters, hub, newcomer } = cast;
  const kubeconfig = clusters.kubeconfigPath;
  const request = join(dirname(kubeconfig), 'fabric.yaml');
  await writeFile(request, stringify(fabricRequest(clusters, cast)));
  const { ingressPort } = clusters.cluster(newcomer);
  const commands = [
    `${PROGRAM} status`,
    `${PROGRAM} bootstrap -f ${request}`,
    `${PROGRAM} connect ${SERVICE.name} -n ${SERVICE.namespace} --port ${SERVICE.port} --from ${exporters.join(',')} --to ${hub} --allow app=${CALLERS.admitted}`,
    `${PROGRAM} bootstrap --peer ${newcomer}=${newcomer} --ingress LoadBalancer:${ingressPort}`,
    `${PROGRAM} link ${newcomer} ${hub}`,
    `${PROGRAM} verify`,
    `${PROGRAM} history`,
    `${PROGRAM} teardown`,
  ];
  return [
    `The worker and the simulated clusters stay up. Kubeconfig: ${kubeconfig}`,
    'In another terminal:',
    '',
    ...commands.map((command) => `  ${command} --address ${address}`),
    `  kubectl --kubeconfig ${kubeconfig} --context ${hub} get pods -A`,
    '',
    `bootstrap -f repeats part 1. It and ${newcomer} name ports, since all gateways share 127.0.0.1 here: without one each would take 443.`,
    'Ctrl-C ends everything and removes what was made.',
  ];
}
