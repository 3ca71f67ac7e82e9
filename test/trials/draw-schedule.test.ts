// Schedules: the seed decides everything, and over many trials everything comes.
import { drawSchedule } from './draw-schedule';
import { Random } from './random';
import { touchesSteady, type Schedule } from './schedule';

const schedules = (seed: number, count: number): Schedule[] => Array.from({ length: count }, (_, trial) => drawSchedule(seed, trial));

test('the same seed and trial give the same schedule, and another one another', () => {
  expect(schedules(7, 50)).toEqual(schedules(7, 50));
  const all = new Set([...schedules(7, 50), ...schedules(8, 50)].map((schedule) => JSON.stringify({ ...schedule, seed: 0, trial: 0 })));
  expect(all.size).toBe(100);
});

test('the numbers are the same on every machine', () => {
  const random = new Random(1, 2);
  expect(Array.from({ length: 6 }, () => random.int(0, 999))).toEqual([865, 36, 6, 685, 616, 759]);
});

test('numbers are spread over their whole range', () => {
  const random = new Random(3);
  const counts = Array.from({ length: 10 }, () => 0);
  for (let draw = 0; draw < 10_000; draw += 1) {
    const at = random.int(0, 9);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

test('in a thousand trials every theme, fault, event, act of a user and kind of run comes', () => {
  const drawn = schedules(1, 1_000);
  const kinds = (of: (schedule: Schedule) => readonly string[]): string[] => [...new Set(drawn.flatMap(of))].sort();
  expect(kinds(({ theme }) => [theme])).toEqual(['cancel', 'crowd', 'faults', 'partition', 'token', 'user']);
  expect(kinds(({ setting }) => [setting])).toEqual(['bare', 'fabric']);
  expect(kinds(({ faults }) => faults.map(({ fault }) => fault))).toHaveLength(9);
  expect(kinds(({ events }) => events.map(({ event }) => event.do))).toEqual(['cancel', 'expire-token', 'partition', 'run', 'user']);
  expect(kinds(({ events }) => events.flatMap(({ event }) => (event.do === 'user' ? [event.user.act] : [])))).toHaveLength(8);
  expect(kinds(({ runs }) => runs.map(({ kind }) => kind))).toHaveLength(6);
  expect(kinds(({ events }) => events.flatMap(({ event }) => ('until' in event ? [event.until.of] : [])))).toEqual([
    'end',
    'requests',
    'runs',
  ]);
  expect(Math.max(...drawn.map(({ runs }) => runs.length))).toBe(50);
  expect(drawn.filter(({ skewMs }) => Object.keys(skewMs).length > 0).length).toBeGreaterThan(100);
});

test('traffic is counted only where nothing may rightly disturb it', () => {
  const counted = schedules(1, 1_000).filter(({ traffic }) => traffic);
  expect(counted.length).toBeGreaterThan(200);
  expect(counted.filter(touchesSteady)).toEqual([]);
});
