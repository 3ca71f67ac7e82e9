// What reaches the terminal: clean text, columns, trees, failures.
import type { RunStatus, StepStatus } from '../../src/contract/status';
import { FabricError } from '../../src/errors/fabric-error';
import { printResult } from '../../src/cli/output';
import { paintFor, uncoloured } from '../../src/cli/paint';
import { oneLine, plain } from '../../src/errors/plain-text';
import { progressView } from '../../src/cli/progress';
import { reportError } from '../../src/cli/report-error';
import { failureText, leftText, rollbackLines, unreadText } from '../../src/cli/run-report';
import { stepTree } from '../../src/cli/step-tree';
import { columns, cut, span } from '../../src/cli/table';
import { runUrl, uiBase } from '../../src/cli/ui-url';
import { testContext } from './run-cli';

const HOSTILE = 'a\u001b[2Jb\u0007\u009b31m\u202ec\td\r\ne';

const step = (more: Partial<StepStatus> & Pick<StepStatus, 'id' | 'title'>): StepStatus => ({
  state: 'done',
  startedAt: 1_000,
  endedAt: 2_500,
  ...more,
});

const STATUS: RunStatus = {
  kind: 'BootstrapFabric',
  fabric: 'default',
  phase: 'running',
  steps: [
    step({ id: 'fabric/read-register', title: 'read register' }),
    step({ id: 'west/preflight', title: 'preflight', peer: 'west', note: 'v1.34.0' }),
    {
      id: 'west/deploy-gateway',
      title: 'deploy gateway',
      peer: 'west',
      state: 'running',
      attempts: 3,
      startedAt: 2_000,
      lastError: { code: 'unready', message: `pod cl-controlplane: ${HOSTILE}` },
    },
    step({ id: 'east/preflight', title: 'preflight', peer: 'east', state: 'undone' }),
    step({
      id: 'east/deploy-gateway',
      title: 'deploy gateway',
      peer: 'east',
      state: 'not-undone',
      lastError: { code: 'forbidden', message: 'may not delete Secrets' },
    }),
  ],
};

test('control characters are told, never sent', () => {
  expect(plain(HOSTILE)).toBe('a\\u001b[2Jb\\u0007\\u009b31m\\u202ec d\\u000d\ne');
  expect(oneLine(HOSTILE)).toBe('a\\u001b[2Jb\\u0007\\u009b31m\\u202ec d e');
  for (const format of ['table', 'json', 'yaml'] as const) {
    const { context, stdout } = testContext();
    printResult(context.stdout, format, { message: HOSTILE }, () => oneLine(HOSTILE));
    expect(stdout()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    if (format === 'json') expect(JSON.parse(stdout())).toEqual({ message: HOSTILE });
  }
});

test('columns are as wide as their widest cell', () => {
  expect(
    columns(
      [
        ['a', 'b'],
        ['long', 'x\ny'],
      ],
      ['NAME', 'WHAT'],
    ),
  ).toEqual(['NAME  WHAT', 'a     b', 'long  x y']);
  expect(cut('abcdef', 4)).toBe('abc…');
  expect([0, 400, 9_960, 59_600, 65_000, 7_800_000].map(span)).toEqual(['0.0s', '0.4s', '10s', '1m 00s', '1m 05s', '2h 10m']);
});

test('the tree groups steps by peer and tells attempts and last errors', () => {
  expect(stepTree(STATUS, { now: 14_000, paint: uncoloured, columns: 80 }).join('\n')).toMatchSnapshot();
});

test('a tree that does not fit folds the peers that are done', () => {
  const lines = stepTree(STATUS, { now: 14_000, paint: uncoloured, columns: 80, rows: 6 });
  expect(lines).toHaveLength(6);
  expect(lines[0]).toBe('  fabric default ✔ 1 steps done');
  const many: RunStatus = {
    ...STATUS,
    steps: Array.from({ length: 50 }, (_, index) => step({ id: `${index}`, title: 'deploy', peer: `p${index}`, state: 'running' })),
  };
  expect(stepTree(many, { now: 0, paint: uncoloured, columns: 80, rows: 10 }).at(-1)).toBe('  … and 91 more lines');
});

test('without a terminal each change is one line', () => {
  let clock = 3_000;
  const { context, stderr } = testContext();
  const view = progressView(context, 'bootstrap west, east', () => clock);
  view.update(STATUS);
  clock = 12_000;
  // One more attempt that fails as the last one did is no news.
  view.update({ ...STATUS, steps: STATUS.steps.map((known) => ({ ...known, attempts: (known.attempts ?? 1) + 1 })) });
  view.update({
    ...STATUS,
    steps: STATUS.steps.map((known) =>
      known.state === 'running' ? { ...known, state: 'done', note: 'created', lastError: undefined! } : known,
    ),
  });
  view.note('Cancelling');
  view.end();
  expect(stderr()).toMatchSnapshot();
});

test('on a terminal the tree is drawn over the one before', () => {
  const { context, stderr } = testContext({ terminal: true, env: { NO_COLOR: '1' } });
  const view = progressView(context, 'bootstrap west, east', () => 0);
  view.update({ ...STATUS, steps: STATUS.steps.slice(0, 2) });
  view.note('Cancelling');
  view.end();
  expect(stderr()).toMatchSnapshot();
});

test('colours are for terminals, and never against NO_COLOR', () => {
  const { context } = testContext({ terminal: true });
  expect(paintFor(context.stdout, {})('red', 'x')).toBe('\u001b[31mx\u001b[39m');
  expect(paintFor(context.stdout, { NO_COLOR: '1' })('red', 'x')).toBe('x');
  expect(paintFor(testContext().context.stdout, {})('red', 'x')).toBe('x');
});

test('a failed run is told with its place, its undoing and its residue', () => {
  const rollback = {
    failedStep: 'deploy gateway',
    failedPeer: 'west',
    undone: ['east: remove gateway'],
    inventories: { west: { before: 2, after: 3 } },
    residue: [{ peer: 'west', object: 'Secret clusterlink-system/cl-peer', why: `created by this run${HOSTILE}` }],
  };
  expect(
    failureText(
      'failed',
      { code: 'unready', message: 'two things:\n  one\n  other', hint: 'Look.', peer: 'west', object: 'Pod x/y' },
      rollback,
      uncoloured,
    ),
  ).toMatchSnapshot();
  expect(failureText('cancelled', { code: 'cancelled', message: 'the run was cancelled' }, undefined, uncoloured)).toBe(
    'Cancelled: the run was cancelled [cancelled]',
  );
});

test('an undoing that met nothing is told in one line', () => {
  expect(rollbackLines({ undone: [], inventories: {}, residue: [] }, uncoloured)).toEqual(['  Nothing was touched.']);
});

test('commands to type next repeat the flags that were given', () => {
  const target = { address: 'temporal.example:7233', namespace: 'team', profile: "o'hara" };
  expect(leftText('link/default/a+b', 'Detached.', target)).toMatchSnapshot();
  expect(leftText('link/default/a+b', 'Detached.', {})).toMatchSnapshot();
  expect(unreadText('link/default/a+b', target)).toBe(
    "  How it was undone could not be read; see `skyfabric status link/default/a+b --address temporal.example:7233 --temporal-namespace team --profile 'o'\\''hara'`",
  );
});

test('an error is told with its hint, and the code decides how the program ends', () => {
  const { context, stderr } = testContext();
  expect(reportError(context, new FabricError({ code: 'invalid', message: 'bad', hint: 'Mend it.' }))).toBe(2);
  expect(
    reportError(context, new FabricError({ code: 'unreachable', message: `no answer${HOSTILE}`, peer: 'west', object: 'Pod x/y' })),
  ).toBe(1);
  expect(reportError(context, new TypeError('x is not a function'))).toBe(1);
  expect(reportError(context, 'text')).toBe(1);
  expect(stderr()).toMatchSnapshot();
});

test('the page of a run is known for dev servers, for the cloud, and when it is told', () => {
  expect(uiBase('127.0.0.1:7233', {})).toBe('http://127.0.0.1:8233');
  expect(uiBase('team.a1b2.tmprl.cloud:7233', {})).toBe('https://cloud.temporal.io');
  expect(uiBase('temporal.example:7233', {})).toBeUndefined();
  expect(uiBase('temporal.example:7233', { SKYFABRIC_UI_URL: 'https://ui.example/' })).toBe('https://ui.example');
  expect(runUrl('http://ui', 'default', 'bootstrap/default/a+b', 'r')).toBe(
    'http://ui/namespaces/default/workflows/bootstrap%2Fdefault%2Fa%2Bb/r',
  );
});
