// What registered connections have lost: by who has changed their claims last, by what these still ask for, and by the register.
import type { RunState } from '../../src/contract/activities';
import { emptyRegister, type Register, type RegisteredConnection } from '../../src/contract/register';
import { connectWorkflowId } from '../../src/contract/workflow-ids';
import { lossOf } from '../../workflows/losses';
import type { Held } from '../../workflows/orphans';

const service = { name: 'echo', namespace: 'demo', port: 8080 };
const by = connectWorkflowId({ fabric: 'f', service, from: ['west', 'south'], to: ['east'] });
const imports = { east: ['west', 'south'] };
const connected = (more: object = {}): Register => ({
  ...emptyRegister('f'),
  connections: [{ id: 'connection-0123456789ab', workflowId: by, service, imports, ...more } as unknown as RegisteredConnection],
});
const held: Held = {
  peer: 'east',
  claim: 'connection-0123456789ab',
  by,
  run: 'run-1',
  changedBy: 'unlink/f/east/west',
  changes: true,
  sources: ['south'],
  objects: ['Import demo/echo'],
};
const lost = (
  one: Held,
  taker: RunState,
  register = connected(),
  state: RunState = 'unknown',
  owed: Parameters<typeof lossOf>[2]['owed'] = [],
) => lossOf(one, { state, repeated: false, taker }, { register, owed });

test('a source that the register knows, and an import was narrowed by, is told with what to do', () => {
  expect(lost(held, 'terminated')).toEqual([
    {
      peer: 'east',
      claim: held.claim,
      by,
      changedBy: 'unlink/f/east/west',
      run: 'run-1',
      why: 'was terminated',
      pairs: [{ importer: 'east', source: 'west' }],
      hint: 'Connect it again, with the flags that it had (`skyfabric connect echo -n demo --port 8080 --from west,south --to east`), or finish what unlink/f/east/west has begun by the same request again.',
    },
  ]);
});

test.each<[RunState, string]>([
  ['unknown', 'is not known to Temporal'],
  ['failed', 'failed, and could not take it back'],
  // It came after one that did not end well, and took something else.
  ['done', 'ended well'],
])('also where who changed it last is %s', (taker, why) => {
  expect(lost(held, taker)).toMatchObject([{ why }]);
});

test('an importer that an export was narrowed by is told as well', () => {
  const { sources: _, ...exporting } = { ...held, peer: 'west', importers: ['north'] };
  const register = connected({ imports: { east: ['west'], north: ['west'] } });
  expect(lost(exporting, 'terminated', register)).toMatchObject([{ peer: 'west', pairs: [{ importer: 'east', source: 'west' }] }]);
  expect(lost({ ...exporting, importers: ['east', 'north'] }, 'terminated', register)).toEqual([]);
});

test('nothing is lost that the register does not know either, that is owed, or that somebody is at work on', () => {
  const debt = {
    kind: 'undo',
    by: 'unlink/f/east/west',
    run: 'run-1',
    since: 0,
    peers: ['east'],
    left: ['restore imports'],
    attempts: 1,
  } as const;
  expect(lost(held, 'terminated', connected({ imports: { east: ['south'] } }))).toEqual([]);
  expect(lost(held, 'terminated', emptyRegister('f'))).toEqual([]);
  expect(lost(held, 'failed', connected(), 'unknown', [debt])).toEqual([]);
  expect(lost(held, 'running')).toEqual([]);
  expect(lost(held, 'terminated', connected(), 'running')).toEqual([]);
  expect(lost({ ...held, sources: ['south', 'west'] }, 'terminated')).toEqual([]);
});

test('of a claim that does not say who changed it nothing is told', () => {
  const { changedBy: _, ...old } = held;
  expect(lossOf(old, { state: 'unknown', repeated: false }, { register: connected(), owed: [] })).toEqual([]);
});

test('no command is told for a connection that is not known by its peers any more', () => {
  const [loss] = lost(held, 'terminated', connected({ workflowId: 'connect/f/demo/echo/1' }));
  expect(loss?.hint).toMatch(/^Connect the service again as connect\/f\/demo\/echo\/1 did, or finish /);
});
