// CheckClusters: what a bootstrap of these clusters would meet. It only looks.
import { isCancellation } from '@temporalio/workflow';
import type { CheckFinding, CheckResult } from '../src/contract/results';
import { checkRequest } from '../src/model/requests';
import { problemOf } from './problem';
import { asRun } from './run';
import { together } from './together';

/** Input: `CheckRequest`. A cluster that cannot be used is a finding, not a failure. */
export async function CheckClusters(input: unknown): Promise<CheckResult> {
  return asRun('CheckClusters', 'bootstrap', checkRequest, input, async (run, request) => {
    const { fabric, clusterlink } = request;
    run.touches(request.peers.map(({ name }) => name));
    const looks = await together(
      request.peers.map((peer) => async () => {
        try {
          return {
            peer: peer.name,
            ...(await run.step({ title: 'preflight', peer, patience: 'look' }, (activities) =>
              activities.preflight({ fabric, peer, clusterlink }),
            )),
          };
        } catch (error) {
          if (isCancellation(error)) throw error;
          const { message, hint } = problemOf(error);
          const finding: CheckFinding = { check: 'reachable', ok: false, message, ...(hint === undefined ? {} : { hint }) };
          return { peer: peer.name, clusterUid: undefined, gateway: undefined, findings: [finding] };
        }
      }),
    );
    const peers = looks.map(({ peer, clusterUid, gateway, findings }) => {
      const twin = looks.find((other) => other.peer !== peer && clusterUid !== undefined && other.clusterUid === clusterUid);
      const same: CheckFinding[] =
        twin === undefined
          ? []
          : [
              {
                check: 'distinct',
                ok: false,
                message: `is the same cluster as ${twin.peer}`,
                hint: 'Give each peer a cluster of its own.',
              },
            ];
      return { peer, findings: [...findings, ...same], ...(gateway === undefined ? {} : { gateway }) };
    });
    return { ok: peers.every(({ findings }) => findings.every(({ ok }) => ok)), peers };
  });
}
