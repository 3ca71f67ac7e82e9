// What a cluster with strange answers costs a diagnosis: nothing but what cannot be made sense of.
import { Archive } from '../../../src/cli/diagnose/archive';
import { collectCluster } from '../../../src/cli/diagnose/cluster-source';
import { answer, startScriptedServer } from '../../kubernetes-layer/scripted-server';

let deep: unknown = 'bottom';
for (let level = 0; level < 1_000; level += 1) deep = { deep };

test.each([
  [
    'containers that are no list',
    'pods',
    { metadata: { name: 'cl-controlplane-1', labels: { app: 'cl-controlplane' } }, spec: { containers: 5 } },
  ],
  ['values of a Secret that are no text', 'secrets', { metadata: { name: 'cl-peer' }, data: { 'key.pem': 7 } }],
  ['labels that are null', 'deployments', { metadata: { name: 'cl-dataplane', labels: null, annotations: null } }],
  ['an object without a bottom', 'configmaps', { metadata: { name: 'skyfabric-gateway', labels: deep }, data: deep }],
  ['conditions that are no text', 'peers', { metadata: { name: 'east' }, status: { conditions: [{ type: 1, message: 2 }, null] } }],
])('%s', async (_title, resource, item) => {
  const server = await startScriptedServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'https://host');
    if (pathname === '/version') return answer(response, 200, { major: '1', minor: '34', gitVersion: 'v1.34.0' });
    const items = pathname.endsWith(`/${resource}`) ? [item] : pathname.endsWith('/services') ? [{ metadata: { name: 'whole' } }] : [];
    return answer(response, 200, { metadata: { resourceVersion: '1' }, items });
  });
  try {
    const archive = new Archive('test');
    await collectCluster(archive, { name: 'west', namespace: 'clusterlink-system', cluster: () => server.client() });
    expect((await archive.pack(new Date(0), [], [])).bytes.length).toBeGreaterThan(0);
    // The version, and what stands beside the strange.
    expect(archive.size).toBeGreaterThanOrEqual(2);
  } finally {
    await server.close();
  }
});
