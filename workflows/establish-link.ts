// EstablishLink: two peers of a fabric are linked.
import type { LinkResult } from '../src/contract/results';
import { linkRequest } from '../src/model/requests';
import { linkOf } from '../src/model/topology';
import { findGateways } from './inspecting';
import { linkPeers } from './linking';
import { membersOf, record, runOf } from './register';
import { asRun } from './run';

/** Input: `LinkRequest`. */
export async function EstablishLink(input: unknown): Promise<LinkResult> {
  return asRun('EstablishLink', 'link', linkRequest, input, async (run, request) => {
    const [one, other] = request.peers;
    run.touches(request.peers);
    const { register, members, owed } = await membersOf(run, request.peers, { peers: request.peers });
    await run.awaitSettled(owed, request.peers);
    const peers = request.peers.flatMap((name) => members.get(name) ?? []);
    const linkable = await findGateways(run, peers);
    run.beginStage();
    const remotes = new Map([
      [one, [other]],
      [other, [one]],
    ]);
    await linkPeers(
      run,
      linkable,
      remotes,
      peers.every((peer) => peer.clusterlink.probeGateways),
    );
    const { changed } = run;
    const link = linkOf(one, other);
    run.beginStage();
    await record(run, register, { putLinks: [link], run: runOf('EstablishLink', request.reason) });
    return { fabric: request.fabric, link, changed };
  });
}
