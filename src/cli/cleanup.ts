// `skyfabric cleanup`: what is owed to a fabric's peers, and what was left by runs that nobody answers for any more.
import { Command } from 'commander';
import type { Register } from '../contract/register';
import type { OwedCleanup } from '../contract/owed';
import type { CleanupResult, Loss, Orphan } from '../contract/results';
import type { CleanUpRequestInput } from '../model/requests';
import { addCommonFlags, addWaitFlags, readWaitFlags, RUN_FLAGS, type WaitFlags } from './common-flags';
import { EXIT, type CliContext } from './context';
import { loadCleanup, loadRuns } from './lazy';
import type { Forgotten } from './run-cleanup';
import type { Paint } from './paint';
import { peerLabels, peersOf } from './peer-flags';
import { oneLine } from '../errors/plain-text';
import { Problems } from './problems';
import { addRequestFlags, flagLabel, patchOf, repeatableOption, type FlagValues } from './request-flags';
import { span } from './table';

/** The command; asks before it removes anything, unless `--yes`. */
export function cleanupCommand(context: CliContext): Command {
  const command = new Command('cleanup')
    .description('show what is owed to peers that were away, and what broken-off runs have left; remove it on confirmation')
    .optionsGroup('Cleanup:')
    .option('-y, --yes', 'do not ask: try now what is owed, and remove what was left')
    .addOption(repeatableOption('--forget <peer>', 'give up what is owed to this peer, which stays a peer; repeatable'))
    .option('--forget-fabric', 'give up what is owed to the fabric itself, as its authority that cannot be released; its peers keep theirs')
    .optionsGroup('Peers:')
    .addOption(repeatableOption('--peer <name=context>', 'also this cluster, which the fabric does not know as a peer; repeatable'))
    .option('--kubeconfig <file>', "kubeconfig that has the contexts, on the worker's machine (default: the worker's own)")
    .option('--namespace <name>', 'namespace of the gateways of --peer (default: clusterlink-system)');
  addWaitFlags(addRequestFlags(command.optionsGroup('Run:'), RUN_FLAGS));
  addCommonFlags(command).addHelpText(
    'after',
    `
Examples:
    $ skyfabric cleanup
  After a bootstrap was terminated, which the register knows nothing of:
    $ skyfabric cleanup --peer west=kind-west --peer east=kind-east
  What is owed to a peer can never be done:
    $ skyfabric cleanup --forget south
  The authority that a failed bootstrap claimed can never be released:
    $ skyfabric cleanup --forget-fabric
  Its cluster is gone for ever, and it is to leave the fabric:
    $ skyfabric teardown --peer south --abandon`,
  );
  return command.action(() => cleanUp(context, command.opts<FlagValues>()));
}

async function cleanUp(context: CliContext, values: FlagValues): Promise<void> {
  const problems = new Problems();
  const flags = readWaitFlags(values, context, problems);
  const peers = values['peer'] === undefined ? undefined : peersOf(values, {}, context.cwd, problems);
  const look = { ...patchOf(RUN_FLAGS, values, problems), ...(peers === undefined ? {} : { peers }) } as CleanUpRequestInput;
  const label = flagLabel(RUN_FLAGS, peerLabels({ peers }), false);
  problems.addRequest('CleanUpFabric', look, label);
  problems.throwIfAny('cleanup');
  const forgotten = { peers: (values['forget'] ?? []) as readonly string[], itself: values['forgetFabric'] === true };
  if (forgotten.peers.length > 0 || forgotten.itself) {
    await forget(context, flags, look.fabric ?? 'default', forgotten);
    return;
  }
  if (values['yes'] === true) {
    await loadCleanup().retryOwed(flags, look.fabric ?? 'default');
    await carryOut(context, flags, { ...look, remove: 'all' });
    return;
  }
  const seen = await carryOut(context, flags, look);
  if (seen === undefined || (seen.orphans.length === 0 && seen.owed.length === 0)) return;
  if (context.ask === undefined) {
    context.stderr.write('Nothing was touched; with --yes it is tried and removed.\n');
    return;
  }
  const answer = await context.ask(`${question(seen)} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) {
    context.stderr.write('Nothing was touched.\n');
    context.exitCode = EXIT.failed;
    return;
  }
  if (seen.owed.length > 0) await loadCleanup().retryOwed(flags, seen.fabric);
  // Only what was shown.
  const remove = seen.orphans.map(({ claim, run }) => ({ claim, run }));
  if (remove.length > 0) await carryOut(context, flags, { ...look, remove });
}

/** Gives up what is owed, and says what that leaves. */
async function forget(context: CliContext, flags: WaitFlags, fabric: string, forgotten: Forgotten): Promise<void> {
  const { shared, left } = await loadCleanup().forgetOwed(flags, fabric, forgotten);
  const names = forgotten.peers.map(oneLine).join(', ');
  const others = shared.map(oneLine).join(', ');
  const lines = [
    ...(names === '' || shared.length > 0 ? [] : [`Nothing is owed to ${names} any more.`]),
    ...(shared.length === 0
      ? []
      : [`Nothing is owed to ${names} alone any more; but ${others}, until all of these are named or it succeeds.`]),
    ...(forgotten.itself ? [`Nothing is owed to fabric ${fabric} itself any more.`] : []),
    ...(left.length === 0 ? [] : [`Warning: what was given up may stay: ${left.map(oneLine).join('; ')}. ${AUTHORITY_STAYS}`]),
  ];
  context.stderr.write(lines.map((line) => `${line}\n`).join(''));
}

const AUTHORITY_STAYS =
  "The key of the fabric's authority is then still in the workers' key store: the next bootstrap takes it over, and a teardown of the whole fabric removes it.";

/** Runs the workflow and prints its result; the result itself when it was printed for people. */
async function carryOut(context: CliContext, flags: WaitFlags, input: CleanUpRequestInput): Promise<CleanupResult | undefined> {
  let result: CleanupResult | undefined;
  await loadRuns().carryOut(
    context,
    {
      kind: 'CleanUpFabric',
      input,
      title: input.remove === undefined ? 'look for what was left' : 'remove what was left',
      render: async (found, paint, readRegister) => {
        result = found;
        const hasPeers = input.peers !== undefined || (await isKnown(readRegister(found.fabric)));
        return render(found, paint, hasPeers);
      },
    },
    flags,
  );
  return result;
}

function question({ owed, orphans }: CleanupResult): string {
  const parts = [
    ...(owed.length === 0 ? [] : ['try now what is owed']),
    ...(orphans.length === 0
      ? []
      : [`remove what ${orphans.length === 1 ? 'this claim stands' : `these ${orphans.length} claims stand`} on`]),
  ];
  const text = parts.join(', and ');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}?`;
}

/** What was found is told also where the register cannot be read any more. */
function isKnown(register: Promise<Register | undefined>): Promise<boolean> {
  return register.then(
    (known) => known !== undefined,
    () => true,
  );
}

/** @param hasPeers whether any cluster was to be looked at */
function render({ fabric, owed, orphans, losses = [], removed, unseen, left = 0 }: CleanupResult, paint: Paint, hasPeers: boolean): string {
  const lines = [
    ...unseen.map(({ peer, problem }) => `${paint('yellow', 'Not looked at')} ${oneLine(peer)}: ${oneLine(problem.message)}`),
    ...owed.flatMap((debt) => owedLines(debt, paint)),
    ...orphans.flatMap((orphan) => orphanLines(orphan, removed, paint)),
    ...losses.flatMap((loss) => lossLines(loss, paint)),
    ...(left === 0 ? [] : [`${paint('yellow', 'Left')}: ${left} more, which the same command removes when it is run again`]),
  ];
  if (!hasPeers) lines.push(`No cluster was looked at, as fabric ${fabric} has no peers here: name them with --peer NAME=CONTEXT.`);
  if (lines.length > 0) return lines.join('\n');
  return `Nothing is owed, and nothing was left in fabric ${fabric}.`;
}

function owedLines({ by, peers, left, since, attempts, lastError, nextTryAt }: OwedCleanup, paint: Paint): string[] {
  const where = peers.length === 0 ? 'the fabric' : peers.join(', ');
  const next = nextTryAt === undefined ? 'it is being tried' : `tried again at ${new Date(nextTryAt).toISOString()}`;
  return [
    `${paint('yellow', 'Owed')} to ${oneLine(where)} by ${oneLine(by)} for ${span(Date.now() - since)}: ${left.map(oneLine).join(', ')}`,
    `  ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}; ${next}${lastError === undefined ? '' : `; the last failed: ${oneLine(lastError.message)}`}`,
    ...(peers.length === 0 && lastError !== undefined ? ['  What can never be done is given up with --forget-fabric.'] : []),
  ];
}

function orphanLines({ peer, claim, by, run, changedBy, why, objects }: Orphan, removed: boolean, paint: Paint): string[] {
  const whose = `${oneLine(by)}${changedBy === undefined ? '' : `, changed by ${oneLine(changedBy)}`} (${oneLine(run)})`;
  return [
    `${removed ? paint('green', 'Removed') : paint('red', 'Left')} on ${oneLine(peer)}: claim ${oneLine(claim)}, of ${whose}, which ${why}`,
    ...objects.map((object) => `    ${oneLine(object)}`),
  ];
}

function lossLines({ peer, claim, by, changedBy, run, why, pairs, hint }: Loss, paint: Paint): string[] {
  return [
    `${paint('red', 'Lost')} on ${oneLine(peer)}: part of claim ${oneLine(claim)}, of ${oneLine(by)}, changed by ${oneLine(changedBy)} (${oneLine(run)}), which ${why}`,
    ...pairs.map(({ importer, source }) => `    ${oneLine(importer)} imports from ${oneLine(source)}`),
    `  ${oneLine(hint)}`,
  ];
}
