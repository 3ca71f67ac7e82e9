// Completion scripts: made from the program, and read without complaint by the shells that are here.
import { spawnSync } from 'node:child_process';
import { runCli } from './run-cli';

const has = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined;

test.each(['bash', 'zsh', 'fish'])('the script for %s knows every command and its choices', async (shell) => {
  const { code, stdout } = await runCli(['completion', shell]);
  expect(code).toBe(0);
  expect(stdout).toMatchSnapshot();
});

test.each(['bash', 'zsh', 'fish'].filter(has))('%s accepts its script', async (shell) => {
  const { stdout } = await runCli(['completion', shell]);
  const { status, stderr } = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test.each([
  [['boo'], 'bootstrap'],
  [['bootstrap', '--datap'], '--dataplane'],
  [['bootstrap', '--dataplane', ''], 'envoy go'],
  [['connect', '-o', 'j'], 'json'],
])('bash completes %j', async (words, expected) => {
  const { stdout } = await runCli(['completion', 'bash']);
  const script = `${stdout}\nCOMP_WORDS=(skyfabric "$@"); COMP_CWORD=$#; _skyfabric; echo "\${COMPREPLY[*]}"`;
  expect(spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' }).stdout.trim()).toBe(expected);
});
