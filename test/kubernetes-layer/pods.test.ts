import type { Pod } from '../../src/kubernetes/pods';
import { explainPods } from '../../src/kubernetes/pods';

const pod = (status: NonNullable<Pod['status']>): Pod => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-1' }, status });
const READY = { type: 'Ready', status: 'True' } as const;

test.each<[string, Pod[], string]>([
  ['there are none', [], 'no pod exists yet'],
  ['all are ready', [pod({ phase: 'Running', conditions: [READY] })], 'all pods are ready'],
  [
    'an image cannot be pulled',
    [
      pod({
        phase: 'Pending',
        containerStatuses: [{ name: 'app', state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x"' } } }],
      }),
    ],
    'pod web-1: container app waits: ImagePullBackOff, Back-off pulling image "x"',
  ],
  [
    'a container crashes',
    [
      pod({
        phase: 'Running',
        containerStatuses: [
          { name: 'app', restartCount: 4, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { exitCode: 2 } } },
        ],
      }),
    ],
    'pod web-1: container app waits: CrashLoopBackOff, last exit code 2 after 4 restarts',
  ],
  [
    'no node takes it',
    [
      pod({
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available.' }],
      }),
    ],
    'pod web-1: not scheduled: Unschedulable, 0/3 nodes are available',
  ],
  [
    'a probe fails',
    [
      pod({
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'containers with unready status: [app]' }],
      }),
    ],
    'pod web-1: not ready: ContainersNotReady, containers with unready status: [app]',
  ],
  ['it has only just been made', [pod({ phase: 'Pending' })], 'pod web-1: has not been scheduled yet'],
  ['one of two is ready', [pod({ conditions: [READY] }), pod({ phase: 'Failed', reason: 'Evicted' })], 'pod web-1: failed: Evicted'],
])('when %s, it says so', (_case, pods, text) => {
  expect(explainPods(pods)).toBe(text);
});
