import { clusterUid, findMissingPermissions, serverVersion } from '../../src/kubernetes/access';
import { writeKubeconfig } from '../../src/playground/api-server/server';
import type { SimulatedCluster } from './simulated-cluster';
import { startSimulatedCluster } from './simulated-cluster';

let simulated: SimulatedCluster;
beforeAll(async () => {
  simulated = await startSimulatedCluster();
});
afterAll(() => simulated.close());

test('the permissions that are missing are found, in the order asked', async () => {
  const token = simulated.api.addToken({
    user: 'limited',
    rules: [
      // A real cluster grants this to everybody who is authenticated (system:basic-user).
      { apiGroups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews'], verbs: ['create'] },
      { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
      { apiGroups: ['clusterlink.net'], resources: ['imports/status'], verbs: ['*'] },
    ],
  });
  const kubeconfig = `${simulated.kubeconfig}-limited`;
  await writeKubeconfig(kubeconfig, [{ ...simulated.api, token }]);
  const limited = simulated.pool.cluster({ context: 'west', kubeconfig });
  const asked = [
    { group: '', resource: 'secrets', verb: 'delete', namespace: 'default' },
    { group: '', resource: 'secrets', verb: 'get', namespace: 'default' },
    { group: 'clusterlink.net', resource: 'imports/status', verb: 'patch' },
    { group: 'clusterlink.net', resource: 'imports', verb: 'patch' },
    ...Array.from({ length: 20 }, (_value, index) => ({ group: '', resource: 'pods', verb: 'get', name: `p${index}` })),
  ];
  expect(await findMissingPermissions(limited, asked)).toEqual([asked[0], asked[3], ...asked.slice(4)]);
  expect(await findMissingPermissions(simulated.cluster, asked)).toEqual([]);
  expect(await findMissingPermissions(limited, [])).toEqual([]);
});

test('a cluster is known by the uid of kube-system, and tells its version', async () => {
  expect(await clusterUid(simulated.cluster)).toBe(simulated.api.clusterUid);
  expect((await serverVersion(simulated.cluster)).gitVersion).toMatch(/^v1\.\d+/);
});
