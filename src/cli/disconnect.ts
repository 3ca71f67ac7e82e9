// `skyfabric disconnect`: takes back what `connect` made, for all of a service's peers or some.
import type { Command } from 'commander';
import type { DisconnectResult } from '../contract/results';
import type { DisconnectRequestInput } from '../model/requests';
import { oneLine } from '../errors/plain-text';
import type { RegisterReader } from './carry-out';
import type { CliContext } from './context';
import { runCommand } from './run-command';

/** The command. */
export function disconnectCommand(context: CliContext): Command {
  return runCommand(context, {
    kind: 'DisconnectService',
    name: 'disconnect',
    description: 'end the connections of a service, or take some peers out of them',
    operands: [{ name: 'service', description: 'name of the Kubernetes Service' }],
    flagsHeading: 'Service:',
    flags: [
      { flags: '-n, --namespace <name>', description: "the service's namespace", paths: ['service.namespace'] },
      { flags: '--from <peers>', description: 'only these sources (default: all)', paths: ['from'], read: 'list' },
      { flags: '--to <peers>', description: 'only these calling peers (default: all)', paths: ['to'], read: 'list' },
    ],
    labels: { 'service.name': 'SERVICE' },
    complete: ({ operands: [name] }) => ({ service: { name } }),
    examples: `Examples:
  All of it:
    $ skyfabric disconnect echo -n demo
  Only the replicas on south leave:
    $ skyfabric disconnect echo -n demo --from south`,
    render,
  });
}

async function render(
  { fabric, service, changed, ended, narrowed }: DisconnectResult,
  _: unknown,
  { input, readRegister }: { readonly input: DisconnectRequestInput; readonly readRegister: RegisterReader },
): Promise<string> {
  const name = nameOf(service);
  if (changed) return `Disconnected: ${name}; ${ended.length} ended, ${narrowed.length} with fewer peers.`;
  // The run is done whether or not this can be read.
  const names = await readRegister(fabric).then(
    (register) => [...new Set(register?.connections.map((connection) => nameOf(connection.service)))],
    () => undefined,
  );
  const connected = names === undefined ? '' : names.length === 0 ? '; nothing is connected' : `; connected are: ${names.join(', ')}`;
  const so = input.from === undefined && input.to === undefined ? '' : ' so';
  return `Nothing to disconnect: ${name} is not connected${so}${connected}.`;
}

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return oneLine(`${namespace}/${name}`);
}
