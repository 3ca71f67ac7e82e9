// Every link and connection proved by bytes, and an archive for an incident: neither leaves a trace, and no secret is in it.
import assert from 'node:assert/strict';
import { readAllowExec } from '../../../src/cli/exec-flag';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diagnose } from '../../../src/cli/run-diagnose';
import { TASK_QUEUE } from '../../../src/contract/task-queue';
import type { KubeObject } from '../../../src/kubernetes/kube-object';
import { readArchive } from '../../cli/diagnose/read-archive';
import { formsIn, formsOf, unfolded } from '../../support/secrets';
import { takeEverything } from '../../support/everything';
import { PEERS } from '../options';
import { ECHO } from '../workloads';
import { FABRIC, type Scenario, type World } from '../world';

const LARGE_PAYLOAD = 1_048_576;
/** The runs of this scenario: those of all combinations are more than an archive takes. */
const LATELY_MS = 180_000;

export const verify: Scenario = {
  name: 'verify',
  async play(world) {
    await world.step('connect from left and right', () =>
      world.succeed('ConnectServiceAcrossClusters', world.connectRequest(['left', 'right'])),
    );
    const standing = await Promise.all(PEERS.map((peer) => takeEverything(world.cluster(peer))));
    await world.step('bytes pass both ways on every link, and on the connection', async () => {
      const { links, connections } = await world.succeed('VerifyFabric', { fabric: FABRIC });
      const ways = links.map((link) => {
        assert(link.ok, `${link.from} to ${link.to}`);
        assert(link.bytes >= LARGE_PAYLOAD);
        world.tell(`${link.from} → ${link.to}: ${link.latencyMs} ms, ${(link.bytesPerSecond / LARGE_PAYLOAD).toFixed(0)} MiB/s`);
        return `${link.from} ${link.to}`;
      });
      assert.deepEqual(ways.sort(), ['hub left', 'hub right', 'left hub', 'right hub']);
      assert.deepEqual(
        connections.map(({ peer, service, ok }) => [peer, service.name, ok]),
        [['hub', ECHO.name, true]],
      );
    });
    await world.step('nothing of that stays', async () => {
      await Promise.all(PEERS.map((peer, index) => world.expectSame(peer, standing[index] ?? new Map<string, string>())));
    });
    await world.step('an archive for an incident lacks nothing, and holds no secret', () => archive(world));
    await world.step('disconnect', () =>
      world.succeed('DisconnectService', { fabric: FABRIC, service: { name: ECHO.name, namespace: ECHO.namespace } }),
    );
  },
};

async function archive(world: World): Promise<void> {
  const { options, target } = world.parts;
  const directory = await mkdtemp(join(tmpdir(), 'skyfabric-e2e-'));
  try {
    const { file, problems, entries } = await diagnose({
      ...{ fabric: FABRIC, peers: [], kubeconfig: options.kubeconfig, workflowIds: [], sinceMs: LATELY_MS },
      allowExec: readAllowExec({}, process.env),
      ...{ file: join(directory, 'archive.tar.gz'), directory, target, taskQueue: TASK_QUEUE },
    });
    assert.deepEqual(problems, []);
    const held = [...(await readArchive(file))].flatMap(([path, { text }]) => [path, ...unfolded(text)]);
    assert(entries > 20);
    const secrets = formsOf(await secretsOf(world));
    assert(secrets.size > 100);
    assert.equal(formsIn(held, secrets).length, 0, 'the archive holds a secret');
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The value of every Secret of every cluster, and the authority's key. */
async function secretsOf({ parts }: World): Promise<string[]> {
  const lists = await Promise.all(
    PEERS.map((peer) =>
      parts.clusters[peer].list<KubeObject & { readonly data?: Record<string, string> }>({ apiVersion: 'v1', kind: 'Secret' }),
    ),
  );
  const values = lists.flatMap(({ items }) => items.flatMap(({ data = {} }) => Object.values(data)));
  const files = (await readdir(parts.keyDirectory, { recursive: true })).filter((name) => name.endsWith('.json'));
  const kept = await Promise.all(files.map((name) => readFile(join(parts.keyDirectory, name), 'utf8')));
  return [
    ...values.map((value) => Buffer.from(value, 'base64').toString()),
    // What an authority that was removed leaves is an empty file.
    ...kept.filter((text) => text !== '').flatMap((text) => [text, (JSON.parse(text) as { readonly keyPem: string }).keyPem]),
  ];
}
