// What every command says of itself.
import { buildProgram, runProgram } from '../../src/cli/program';
import { runCli, testContext } from './run-cli';

const commands = buildProgram(testContext().context).commands.map((command) => command.name());

test('the program tells what there is', async () => {
  const { code, stdout, stderr } = await runCli(['--help']);
  expect(stdout).toMatchSnapshot();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('every command of the design is there', () => {
  expect([...commands].sort()).toEqual(
    [
      'bootstrap',
      'cancel',
      'check',
      'cleanup',
      'codec-keys',
      'codec-server',
      'completion',
      'connect',
      'dev',
      'diagnose',
      'disconnect',
      'graph',
      'history',
      'link',
      'playground',
      'seal',
      'status',
      'teardown',
      'unlink',
      'verify',
      'worker',
    ].sort(),
  );
});

test.each(commands)('%s tells its flags and gives examples', async (name) => {
  const { code, stdout, stderr } = await runCli([name, '--help']);
  expect(stdout).toMatchSnapshot();
  expect(stdout).toMatch(/Examples:\n(.*\n)*? *\$ (source <\()?skyfabric /);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('without a command the help is shown, and that is a wrong use', async () => {
  const { code, stdout } = await runCli([]);
  expect(stdout).toContain('Usage: skyfabric');
  expect(code).toBe(2);
});

test('the version is told', async () => {
  const { context, stdout } = testContext();
  expect(await runProgram(context, ['--version'])).toBe(0);
  expect(stdout()).toMatch(/^\d+\.\d+\.\d+/);
});
