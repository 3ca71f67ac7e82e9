// Escapes planted in everything that a cluster, a workflow or Temporal can say: none of them reaches a terminal, whatever prints it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Archive } from '../../src/cli/diagnose/archive';
import { printResult } from '../../src/cli/output';
import { paintFor } from '../../src/cli/paint';
import { progressView } from '../../src/cli/progress';
import { registerView } from '../../src/cli/register-view';
import { reportError } from '../../src/cli/report-error';
import { failureText, leftText, rollbackLines, unreadText } from '../../src/cli/run-report';
import { stepText, stepTree } from '../../src/cli/step-tree';
import { columns } from '../../src/cli/table';
import { TextOutput } from '../../src/cli/text-output';
import type { Register } from '../../src/contract/register';
import type { Problem, Rollback, RunStatus } from '../../src/contract/status';
import { FabricError } from '../../src/errors/fabric-error';
import { RAW, STEERING, STEERING_TEXT as X } from '../support/hostile';
import { readArchive } from './diagnose/read-archive';
import { testContext } from './run-cli';

/** What our own colours and cursor movements leave when they are taken away. */
const withoutOurs = (text: string): string =>
  text.replace(/\u001b\[(?:1|2|22|31|32|33|36|39)m/g, '').replace(/(?:\u001b\[\d+A)?\r\u001b\[0J/g, '');

const problem: Problem = { code: 'unready', message: `pod: ${X}\n${X}`, hint: X, peer: X, object: X };
const rollback: Rollback = {
  failedStep: X,
  failedPeer: X,
  undone: [X, X],
  inventories: { [X]: { before: 1, after: 2 } },
  residue: [{ peer: X, object: X, why: X }],
};
const status = {
  kind: X,
  fabric: X,
  phase: 'failed',
  steps: [
    { id: X, title: X, peer: X, state: 'failed', startedAt: 1, endedAt: 2, attempts: 2, note: X, lastError: problem },
    { id: 'b', title: X, state: 'done', startedAt: 1, endedAt: 2, note: X },
  ],
  problem,
  rollback,
} as unknown as RunStatus;
const register = {
  fabric: X,
  peers: [{ name: X, context: X, namespace: X, endpoint: { host: X, port: 443 } }],
  links: [{ a: X, b: X }],
  connections: [
    { service: { namespace: X, name: X, port: 80 }, imports: { [X]: [X] }, exports: {}, loadBalancing: X, verify: { mode: X } },
  ],
} as unknown as Register;
const runs = [{ workflowId: X, runId: X, kind: X, outcome: 'running', startedAt: X, durationMs: 1 }] as const;
const target = { address: X, namespace: X, profile: X };

test.each([true, false])('no view lets an escape through (on a terminal: %s)', (terminal) => {
  const { context, stdout, stderr } = testContext({ terminal });
  const paint = paintFor(context.stdout, {});
  const texts = [
    failureText('failed', problem, rollback, paint),
    ...rollbackLines(rollback, paint),
    ...stepTree(status, { now: 3, paint, columns: 4_000 }),
    ...status.steps.map(stepText),
    registerView(register, runs, paint),
    ...columns([[X, X]], [X, X]),
    leftText(X, 'Detached.', target),
    unreadText(X, target),
  ];
  for (const text of texts) expect(withoutOurs(text)).not.toMatch(RAW);
  const view = progressView(context, X, () => 0);
  view.update(status);
  view.note(X);
  view.end();
  reportError(context, new FabricError({ code: 'internal', message: X, hint: X, peer: X, object: X }));
  reportError({ ...context, env: { SKYFABRIC_DEBUG: '1' } }, new TypeError(X));
  reportError(context, X);
  expect(withoutOurs(stdout() + stderr())).not.toMatch(RAW);
});

test.each(Object.entries(STEERING))('%s in a text that nobody made plain does not get past the output', (_what, text) => {
  for (const isTTY of [true, false]) {
    let written = '';
    const output = new TextOutput({ isTTY, write: (more: string) => (written += more) });
    output.write(text);
    output.writeOver(0, text);
    // A colour of ours may pass on a terminal: it steers nothing.
    expect(withoutOurs(written)).not.toMatch(RAW);
    if (!isTTY) expect(written.replace('\r\u001b[0J', '')).not.toMatch(RAW);
  }
});

test('results for programs hold escapes only as their own notation has them, and are read back whole', () => {
  const value = { status, register, runs, text: X, lines: `a\n${X}\tb`, [X]: { tab: '\t', plain: 'größer 🦊' } };
  for (const [format, read] of [
    ['json', (text: string): unknown => JSON.parse(text)],
    ['yaml', (text: string): unknown => parse(text)],
  ] as const) {
    const { context, stdout } = testContext();
    printResult(context.stdout, format, value, () => '');
    expect(stdout()).not.toMatch(RAW);
    expect(read(stdout())).toEqual(JSON.parse(JSON.stringify(value)));
  }
});

test('no entry of an archive steers the terminal of who reads it', async () => {
  const archive = new Archive('diagnosis');
  archive.add(['register.json'], register);
  archive.add(['runs', X, 'history.txt'], `${X}\n`);
  archive.addLog(['clusters', X, 'pod.log'], `${X}\n${X}`);
  archive.problem(X, new Error(X));
  const directory = await mkdtemp(join(tmpdir(), 'skyfabric-hostile-text-'));
  try {
    const file = join(directory, 'archive.tar.gz');
    await writeFile(file, (await archive.pack(new Date(0), [X], [X])).bytes);
    const entries = await readArchive(file);
    expect(entries.size).toBeGreaterThan(5);
    for (const [name, { text }] of entries) expect(`${name}\n${text}`).not.toMatch(RAW);
  } finally {
    await rm(directory, { recursive: true });
  }
});
