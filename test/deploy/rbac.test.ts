// The manifests in deploy/ are what the table of permissions says. SKYFABRIC_WRITE=1 writes them anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { accountManifest, operatorManifest } from '../../activities/deployed-access';
import type { KubeObject } from '../../src/kubernetes/kube-object';

const FILES: readonly (readonly [file: string, about: readonly string[], objects: readonly KubeObject[]])[] = [
  [
    'rbac.yaml',
    [
      "What Skyfabric's worker may do in a cluster that it manages, with gateways in namespace clusterlink-system.",
      'skyfabric-day-two is enough to link, connect, verify and undo; skyfabric-bootstrap installs and removes gateways, and its bindings',
      'may be taken away in between. Both are to be guarded like an administrator: who may make Jobs anywhere may run pods as any',
      'ServiceAccount there (docs/adr/0010-rights.md). Written by: SKYFABRIC_WRITE=1 npx jest test/deploy',
    ],
    accountManifest(),
  ],
  [
    'rbac-operator.yaml',
    [
      "What a bootstrap in operator mode needs besides rbac.yaml. ClusterLink's operator reads and writes Secrets in all namespaces, and",
      'nobody may grant what they do not have. Written by: SKYFABRIC_WRITE=1 npx jest test/deploy',
    ],
    operatorManifest(),
  ],
];

test.each(FILES)('deploy/%s grants what the table of permissions says', (file, about, objects) => {
  const path = join(__dirname, '../../deploy', file);
  const head = about.map((line) => `# ${line}\n`).join('');
  const text =
    head + objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false, singleQuote: true })).join('---\n');
  if (process.env['SKYFABRIC_WRITE'] !== undefined) writeFileSync(path, text);
  expect(readFileSync(path, 'utf8')).toBe(text);
});
