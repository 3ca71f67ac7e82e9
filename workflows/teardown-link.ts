// TeardownLink: two peers are no longer linked, and nothing is left that would need it.
import { peersOfConnection, type Register } from '../src/contract/register';
import type { LinkResult } from '../src/contract/results';
import { isClaimOf } from '../src/contract/workflow-ids';
import { FabricError } from '../src/errors/fabric-error';
import { unlinkRequest } from '../src/model/requests';
import { linkName, linkOf } from '../src/model/topology';
import { needsLink, takenBetween } from '../src/model/withdrawal';
import { patched } from './patches';
import { membersFor, membersOf, narrowedBy, record, runOf } from './register';
import { addressOf } from './place';
import { asRun, type Run } from './run';
import { together } from './together';
import { connectionsOf, observe, restoring, withdraw, type Holding } from './withdrawing';

/** Input: `UnlinkRequest`. Refused (`in_use`) while a connection needs the link, unless `force`. */
export async function TeardownLink(input: unknown): Promise<LinkResult> {
  return asRun('TeardownLink', 'link', unlinkRequest, input, async (run, request) => {
    const { fabric, peers, force } = request;
    run.touches(peers);
    const link = linkOf(...peers);
    const { register, members, owed } = patched('enters')
      ? await membersFor(run, peers, { takes: { link: peers }, settled: peers }, (known) =>
          [...new Set([...peers, ...peersAcross(known, peers)])].sort(),
        )
      : await membersOf(run, peers);
    await run.awaitSettled(owed, peers);
    const holdings = await observe(
      run,
      peers.flatMap((name) => members.get(name) ?? []),
      { remotes: [...peers] },
    );
    const users = usersOf(holdings);
    if (users.length > 0 && !force) {
      throw new FabricError({
        code: 'in_use',
        message: `the link between ${link.a} and ${link.b} carries ${users.length === 1 ? 'a connection' : `${users.length} connections`}: ${users.join(', ')}`,
        hint: 'Disconnect them with `skyfabric disconnect`, or take the link away from them with --force.',
      });
    }
    const connections = connectionsOf(holdings);
    const taken = takenBetween(peers, peers);
    await withdraw(run, holdings, connections, taken);
    run.beginStage();
    await removePeers(run, holdings);
    const { changed } = run;
    const isBehind = register.links.some((known) => linkName(known) === linkName(link));
    run.beginStage();
    if (changed || isBehind)
      await record(run, register, { ...narrowedBy(register, taken), removeLinks: [link], run: runOf('TeardownLink', request.reason) });
    return { fabric, link, changed };
  });
}

/** All peers of the connections that go over a link. */
function peersAcross({ connections }: Register, [one, other]: readonly [string, string]): string[] {
  return connections.filter(({ imports }) => needsLink(imports, one, other)).flatMap(peersOfConnection);
}

/** Workflow ids of the connections that claim the link. */
function usersOf(holdings: readonly Holding[]): string[] {
  return [
    ...new Set(holdings.flatMap(({ claims }) => claims.flatMap(({ claim, by }) => (isClaimOf('connection', claim) ? [by] : [])))),
  ].sort();
}

/**
 * Takes the claims that were observed off both `Peer` resources, so that they go.
 * @throws in_use when a request has claimed one of them since
 */
async function removePeers(run: Run, holdings: readonly Holding[]): Promise<void> {
  const { claimant } = run;
  const names = holdings.map(({ place }) => place.name);
  const left = await together(
    holdings.map((holding) => async () => {
      const remotes = names.filter((name) => name !== holding.place.name);
      const claims = holding.claims.flatMap(({ kind, claim }) => (kind === 'Peer' ? [claim] : []));
      run.takesObjects(
        holding.place.name,
        remotes.map((remote) => `Peer ${holding.place.namespace}/${remote}`),
      );
      const options = { title: 'remove link', peer: holding.place, undo: restoring(run, holding, ['Peer']) };
      const { gone } = await run.step(options, (activities) =>
        activities.releasePeerings({ claimant, peer: addressOf(holding.place), scope: 'all', selection: { remotes, claims } }),
      );
      return gone.length < remotes.length ? [holding.place.name] : [];
    }),
  );
  if (left.flat().length === 0) return;
  throw new FabricError({
    code: 'in_use',
    message: `the link between ${names.join(' and ')} was claimed by another request meanwhile, on ${left.flat().join(' and ')}`,
    hint: 'See what goes on with `skyfabric status`, then try again.',
  });
}
