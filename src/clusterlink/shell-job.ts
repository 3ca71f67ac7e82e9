// A short Job that runs one constant shell script in a closed pod: what the probe of a connection and the measurement of a link share.
import type { KubeObject } from '../kubernetes/kube-object';
import { CLOSED_CONTAINER, CLOSED_POD } from './manifest';

export interface ShellJobOptions {
  readonly name: string;
  readonly namespace: string;
  /** Labels of the Job and of its pod; access policies may ask for them. */
  readonly labels: Readonly<Record<string, string>>;
  /** An image with `sh` and the tools that the script needs. */
  readonly image: string;
  readonly script: string;
  /** What varies: it never becomes part of the script. */
  readonly env: Readonly<Record<string, string>>;
  /** How long the script may take once it runs. */
  readonly seconds: number;
  /** The pod's account where an access policy asks for one; default: the namespace's. */
  readonly serviceAccount?: string | undefined;
  /** A folder in memory where the script may write, and begins. */
  readonly scratch?: { readonly path: string; readonly sizeLimit: string };
}

export interface ShellJobResource extends KubeObject {
  readonly spec: {
    readonly backoffLimit: number;
    readonly activeDeadlineSeconds: number;
    readonly ttlSecondsAfterFinished: number;
    readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>> }; readonly spec: object };
  };
}

/** Name of the Job's only container: the status of that name holds the termination message. */
export const SCRIPT_CONTAINER = 'probe';

/** Pulling an image on a busy node is part of the deadline; the caller's own wait is usually shorter. */
const START_SECONDS = 120;

/** The Job. It is tried once, and removes itself ten minutes after its end. */
export function shellJob(options: ShellJobOptions): ShellJobResource {
  const { name, namespace, labels, env, serviceAccount, scratch } = options;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace, labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: START_SECONDS + options.seconds,
      // Only when nobody was left to remove it.
      ttlSecondsAfterFinished: 600,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 1,
          securityContext: CLOSED_POD,
          ...(scratch === undefined
            ? {}
            : { volumes: [{ name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: scratch.sizeLimit } }] }),
          containers: [
            {
              name: SCRIPT_CONTAINER,
              image: options.image,
              imagePullPolicy: 'IfNotPresent',
              command: ['sh', '-c', options.script],
              env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
              ...(scratch === undefined ? {} : { workingDir: scratch.path, volumeMounts: [{ name: 'scratch', mountPath: scratch.path }] }),
              resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
              securityContext: CLOSED_CONTAINER,
            },
          ],
        },
      },
    },
  };
}
