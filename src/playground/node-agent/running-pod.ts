// One pod on the simulated node: its containers' programs, and the status that follows from them.
import type { Condition } from '../../kubernetes/kube-object';
import type { PodNetwork } from '../network';
import type { Mounts, Problem } from './mounts';
import type { Container, Files, Program, RunningProgram } from './program';
import type { ContainerSpec, ContainerState, PodResource } from './resources';

/** What a pod is run with. */
export interface PodRuntime {
  readonly network: PodNetwork;
  readonly mounts: Mounts;
  readonly programs: readonly Program[];
  /** Called when a status may have changed by itself. */
  readonly onChange: () => void;
}

interface ContainerRun {
  state: ContainerState;
  restarts: number;
  program: RunningProgram | undefined;
  fixed: Files;
  live: Files;
  fileListeners: (() => void)[];
}

/** A pod from its first container on until it is stopped. */
export class RunningPod {
  readonly uid: string;
  private readonly ip: string;
  private readonly startTime = new Date().toISOString();
  private readonly runs = new Map<string, ContainerRun>();
  /** As last told; the pod that the informer shows may still be an older one. */
  private readonly conditions = new Map<string, { readonly status: string; readonly since: string }>();
  private stopped = false;
  private starting = false;

  constructor(
    private pod: PodResource,
    private readonly runtime: PodRuntime,
  ) {
    this.uid = pod.metadata.uid ?? '';
    this.ip = runtime.network.allocateIp();
    for (const { name } of pod.spec.containers) {
      this.runs.set(name, {
        state: { waiting: { reason: 'ContainerCreating' } },
        restarts: 0,
        program: undefined,
        fixed: new Map(),
        live: new Map(),
        fileListeners: [],
      });
    }
  }

  /** Makes every container that does not run yet wait for this reason. */
  wait({ reason, message }: Problem): void {
    for (const run of this.runs.values()) if (run.program === undefined) run.state = { waiting: { reason, message } };
  }

  /** Starts every container that waits; `onChange` tells when they run, or have failed to. */
  start(): void {
    this.starting = true;
    void Promise.all(this.pod.spec.containers.map((container) => this.startContainer(container))).then(() => {
      this.starting = false;
      this.runtime.onChange();
    });
  }

  /** Whether any of its containers runs. */
  get isServing(): boolean {
    return [...this.runs.values()].some(({ state }) => state.running !== undefined);
  }

  /** Whether a container waits to be started, for the first time or again. */
  needsStart(): boolean {
    return !this.starting && [...this.runs.values()].some(({ state }) => state.waiting !== undefined);
  }

  stop(): void {
    this.stopped = true;
    for (const run of this.runs.values()) run.program?.stop();
  }

  /** Takes over the pod's newest state, and tells the programs whose files it changes. */
  update(pod: PodResource): void {
    this.pod = pod;
    for (const container of pod.spec.containers) {
      const run = this.runs.get(container.name);
      if (run?.program === undefined || this.runtime.mounts.problem(pod, container) !== undefined) continue;
      const live = this.runtime.mounts.files(pod, container, 'live');
      if (JSON.stringify([...live]) === JSON.stringify([...run.live])) continue;
      run.live = live;
      for (const listener of run.fileListeners) listener();
    }
  }

  /** The pod's status, as kubelet would report it. */
  status(): object {
    const runs = [...this.runs];
    const ended = runs.flatMap(([, { state }]) => (state.terminated === undefined ? [] : [state.terminated]));
    const running = runs.every(([, { state }]) => state.running !== undefined);
    const over = ended.length === runs.length;
    const started = runs.some(([, { state, restarts }]) => state.running !== undefined || restarts > 0);
    // As kubelet: the address is told with the first container that has begun, and so a little after it.
    const address = over || started ? { podIP: this.ip, podIPs: [{ ip: this.ip }] } : {};
    const phase = over ? (ended.some(({ exitCode }) => exitCode !== 0) ? 'Failed' : 'Succeeded') : started ? 'Running' : 'Pending';
    const gates = (this.pod.spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
    const isOpen = (gate: string): boolean =>
      this.pod.status?.conditions?.some(({ type, status }) => type === gate && status === 'True') ?? false;
    const closed = gates.filter((gate) => !isOpen(gate));
    const notReady = over
      ? { reason: 'PodCompleted' }
      : {
          reason: 'ContainersNotReady',
          message: `containers with unready status: [${runs
            .filter(([, { state }]) => state.running === undefined)
            .map(([name]) => name)
            .join(' ')}]`,
        };
    const gated = {
      reason: 'ReadinessGatesNotReady',
      message: closed.map((gate) => `the status of pod readiness gate "${gate}" is not "True"`).join(', '),
    };
    const own = [
      this.condition('PodScheduled', true),
      this.condition('Initialized', true),
      this.condition('ContainersReady', running, running ? {} : notReady),
      this.condition('Ready', running && closed.length === 0, !running ? notReady : closed.length > 0 ? gated : {}),
    ];
    const foreign = (this.pod.status?.conditions ?? []).filter(({ type }) => !own.some((condition) => condition.type === type));
    return {
      phase,
      hostIP: '127.0.0.1',
      ...address,
      startTime: this.startTime,
      conditions: [...own, ...foreign],
      containerStatuses: this.pod.spec.containers.map(({ name, image }) => {
        const { state, restarts } = this.runs.get(name) as ContainerRun;
        const isRunning = state.running !== undefined;
        return { name, image, imageID: '', ready: isRunning, started: isRunning, restartCount: restarts, state };
      }),
    };
  }

  private async startContainer(spec: ContainerSpec): Promise<void> {
    const { runtime, pod } = this;
    const run = this.runs.get(spec.name) as ContainerRun;
    if (run.state.waiting === undefined) return;
    run.fixed = runtime.mounts.files(pod, spec, 'all');
    run.live = runtime.mounts.files(pod, spec, 'live');
    run.fileListeners = [];
    run.program = undefined;
    // A program that ends its start knows already when its container began.
    const startedAt = new Date().toISOString();
    let exited = false;
    const isOver = (): boolean => exited || this.stopped;
    const exit = (code: number, message: string): void => {
      if (isOver()) return;
      exited = true;
      run.program?.stop();
      run.program = undefined;
      this.end(run, code, message);
      runtime.onChange();
    };
    const container: Container = {
      pod: {
        uid: this.uid,
        ip: this.ip,
        name: pod.metadata.name,
        namespace: pod.metadata.namespace ?? '',
        labels: pod.metadata.labels ?? {},
        serviceAccount: pod.spec.serviceAccountName ?? 'default',
      },
      image: spec.image,
      args: spec.args ?? [],
      env: runtime.mounts.environment(pod, spec, this.ip),
      ports: (spec.ports ?? []).map(({ containerPort }) => containerPort),
      network: runtime.network,
      files: () => new Map([...run.fixed, ...run.live]),
      onFilesChanged: (listener) => run.fileListeners.push(listener),
      exit,
    };
    try {
      const started = await runtime.programs.find((program) => program.runs(container))?.start(container);
      if (isOver()) {
        started?.stop();
        return;
      }
      // An image that is the choice of no program is a container that does nothing.
      run.program = started ?? { stop: () => undefined };
      run.state = { running: { startedAt } };
    } catch (error) {
      exit(1, error instanceof Error ? error.message : String(error));
    }
  }

  private end(run: ContainerRun, exitCode: number, message: string): void {
    const { restartPolicy = 'Always' } = this.pod.spec;
    if (restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && exitCode !== 0)) {
      run.restarts += 1;
      run.state = { waiting: { reason: 'CrashLoopBackOff', message: `back-off restarting failed container: ${message}` } };
    } else {
      run.state = {
        terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', message, finishedAt: new Date().toISOString() },
      };
    }
  }

  private condition(type: string, value: boolean, more: Pick<Condition, 'reason' | 'message'> = {}): Condition {
    const status = value ? 'True' : 'False';
    const before = this.conditions.get(type);
    const since = before?.status === status ? before.since : new Date().toISOString();
    this.conditions.set(type, { status, since });
    return { type, status, ...more, lastTransitionTime: since };
  }
}
