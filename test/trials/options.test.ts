import { commandOf, readOptions } from './options';

test('a failure is repeated by one command, which reads back as the same trial', () => {
  const command = commandOf({ seed: 42, trial: 17 });
  expect(command).toBe('npm run trials -- --seed 42 --trial 17');
  expect(readOptions(command.split(' ').slice(4))).toMatchObject({ seed: 42, trials: [17] });
});

test('trials are counted from the first on', () => {
  expect(readOptions(['--seed', '3', '--first', '5', '--count', '3', '--jobs', '8', '-o', 'json'])).toMatchObject({
    trials: [5, 6, 7],
    jobs: 3,
    output: 'json',
  });
});

test.each([
  ['a seed that is no number', ['--seed', 'x'], '--seed takes a whole number'],
  ['no trials at all', ['--count', '0'], '--count takes a whole number from 1'],
  ['an invariant that there is not', ['--only', 'luck'], '--only knows no "luck"'],
  ['an unknown output', ['-o', 'xml'], '--output knows table and json'],
  ['an unknown flag', ['--fast'], '--fast'],
])('%s is refused', (_title, args, message) => {
  expect(() => readOptions(args)).toThrow(expect.objectContaining({ code: 'invalid', message: expect.stringContaining(message) }));
});
