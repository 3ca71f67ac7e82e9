// What to type next, in another terminal, while the playground stays up.
import { extname } from 'node:path';
import { CALLERS, type Cast, SERVICE } from './cast';
import type { Stage } from './stage';

/** How this program is called: from a clone through npm, else by its name. */
const PROGRAM = extname(__filename) === '.ts' ? 'npm run -s skyfabric --' : 'skyfabric';

/** The lines, commands with all they need. */
export function tryNext({ address, clusters }: Pick<Stage, 'address' | 'clusters'>, { exporters, hub, newcomer }: Cast): string[] {
  const kubeconfig = clusters.kubeconfigPath;
  const { ingressPort } = clusters.cluster(newcomer);
  const commands = [
    `${PROGRAM} status`,
    `${PROGRAM} connect ${SERVICE.name} -n ${SERVICE.namespace} --port ${SERVICE.port} --from ${exporters.join(',')} --to ${hub} --allow app=${CALLERS.admitted}`,
    `${PROGRAM} bootstrap --peer ${newcomer}=${newcomer} --ingress LoadBalancer:${ingressPort}`,
    `${PROGRAM} link ${newcomer} ${hub}`,
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
    'Ctrl-C ends everything and removes what was made.',
  ];
}
