// Where a worker keeps what it needs on this machine.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A directory of the user, as the XDG base directory specification has it: `$XDG_DATA_HOME/skyfabric/<name>`. */
export function dataDirectory(env: NodeJS.ProcessEnv, name: string): string {
  return join(env['XDG_DATA_HOME'] || join(env['HOME'] || homedir(), '.local', 'share'), 'skyfabric', name);
}
