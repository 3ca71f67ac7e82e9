// Collects everything that a diagnosis asks for, in parallel, and writes the archive. Sources that fail are told, not thrown.
import { access, constants, lstat, unlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Register, RegisteredPeer } from '../contract/register';
import { FabricError } from '../errors/fabric-error';
import { ClusterPool } from '../kubernetes/cluster-pool';
import type { PeerAddress } from '../model/peer';
import { errorText } from '../temporal/command';
import type { TemporalTarget } from '../temporal/connection';
import { hasWorkers } from '../temporal/worker-presence';
import { Archive, type PackedArchive } from './diagnose/archive';
import { collectCluster, LOG_EXTENT } from './diagnose/cluster-source';
import { collectRuns } from './diagnose/run-source';
import { fabricRegister } from './queries';
import { withTemporal } from './temporal-session';
import { packageVersion } from './version';

/** What is asked for. */
export interface DiagnosePlan {
  readonly fabric: string;
  /** In addition to the register's, or instead of those of the same name. */
  readonly peers: readonly PeerAddress[];
  readonly kubeconfig: string | undefined;
  /** Credential plugins of kubeconfigs that may be run. */
  readonly allowExec: readonly string[];
  readonly workflowIds: readonly string[];
  readonly sinceMs: number;
  /** Absolute; by default a file of its own in `directory`. */
  readonly file: string | undefined;
  readonly directory: string;
  readonly target: TemporalTarget;
  readonly taskQueue: string;
}

/** The archive as it was written. */
export interface Diagnosis extends Omit<PackedArchive, 'bytes'> {
  readonly file: string;
  readonly bytes: number;
}

const REQUEST_TIMEOUT_MS = 15_000;

/**
 * Makes the archive.
 * @throws conflict when the file exists, forbidden when it cannot be written; unavailable when nothing at all could be collected
 */
export async function diagnose(plan: DiagnosePlan): Promise<Diagnosis> {
  const now = new Date();
  const name = `skyfabric-diagnose-${plan.fabric}-${now.toISOString().replace(/[-:]|\.\d+/g, '')}`;
  const file = plan.file ?? join(plan.directory, `${name}.tar.gz`);
  await requireWritable(file);

  const archive = new Archive(name);
  const pool = new ClusterPool({
    userAgent: 'skyfabric-diagnose',
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    allowExec: plan.allowExec,
  });
  const about = [
    `A diagnosis of fabric ${plan.fabric}, made ${now.toISOString()} by skyfabric ${packageVersion()} on Node.js ${process.version}.`,
    `Runs since ${new Date(now.getTime() - plan.sinceMs).toISOString()}.`,
  ];
  let leads: readonly string[];
  try {
    leads = await collect(archive, plan, pool, about, now);
  } finally {
    await pool.close();
  }
  const collected = archive.size > 0;
  const { bytes, ...packed } = await archive.pack(now, [...about, '', ...LAYOUT], leads);
  if (!collected) {
    throw new FabricError({
      code: 'unavailable',
      message: `nothing could be collected of fabric ${plan.fabric}:\n  ${packed.problems.join('\n  ')}`,
      hint: 'Name the peers with --peer NAME=CONTEXT, and the Temporal server with --address.',
    });
  }
  await writeNew(file, bytes);
  return { ...packed, file, bytes: bytes.length };
}

const LAYOUT = [
  'look-first.txt  what is not well',
  'problems.txt    what could not be had',
  'register.json   peers, links and connections, as the fabric keeps them',
  'runs/           by workflow id: description, steps, and the history, which `temporal` and a replay can read',
  "clusters/       by peer: the gateway's objects and logs, ClusterLink's resources, the Services they speak of",
  `Logs are ${LOG_EXTENT}, of each container and, where it restarted, of the one before.`,
  'A kind without a file: none was found, unless problems.txt says otherwise.',
  'Of Secrets there are names, sizes and the facts of certificates; never a value.',
];

async function collect(archive: Archive, plan: DiagnosePlan, pool: ClusterPool, about: string[], now: Date): Promise<string[]> {
  const { fabric, target, taskQueue, workflowIds, sinceMs } = plan;
  const lookAtClusters = async (register: Register | undefined): Promise<string[]> => {
    const peers = peersOf(register?.peers ?? [], plan);
    if (peers.length === 0) archive.problem('peers', 'none are known; name them with --peer NAME=CONTEXT');
    about.push(...peers.map(({ name, context, namespace }) => `Peer ${name}: context ${context}, namespace ${namespace}`));
    const places = peers.map((peer) => ({ name: peer.name, namespace: peer.namespace, cluster: () => pool.cluster(peer) }));
    return (await Promise.all(places.map((place) => collectCluster(archive, place)))).flat();
  };
  let clusters: Promise<string[]> | undefined;
  try {
    return await withTemporal(target, async (session) => {
      const register = await archive.attempt('register of the fabric', () => fabricRegister(session, fabric, taskQueue));
      if (register !== undefined) archive.add(['register.json'], register);
      const hasWorker = (await archive.attempt('workers', () => hasWorkers(session.client, taskQueue))) ?? false;
      about.push(
        `Temporal: ${session.address}, namespace ${session.namespace}; ${hasWorker ? 'a worker listens' : 'no worker listens'} on task queue ${taskQueue}.`,
      );
      clusters = lookAtClusters(register);
      const since = new Date(now.getTime() - sinceMs);
      const [runLeads, clusterLeads] = await Promise.all([
        collectRuns(archive, session, { fabric, since, workflowIds, answeringQueue: hasWorker ? taskQueue : undefined }),
        clusters,
      ]);
      return [...clusterLeads, ...runLeads];
    });
  } catch (error) {
    archive.problem('Temporal', error);
    return await (clusters ?? lookAtClusters(undefined));
  }
}

/** The peers of the register and of the flags, sorted; the register's kubeconfig is the worker's, which need not be here. */
function peersOf(registered: readonly RegisteredPeer[], { peers, kubeconfig }: DiagnosePlan): PeerAddress[] {
  const here = registered.map(({ name, context, namespace, kubeconfig: theirs }): PeerAddress => {
    const found = kubeconfig ?? (theirs !== undefined && existsSync(theirs) ? theirs : undefined);
    return { name, context, namespace, ...(found === undefined ? {} : { kubeconfig: found }) };
  });
  return [...new Map([...here, ...peers].map((peer) => [peer.name, peer])).values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Told before minutes are spent on an archive that has no place. */
async function requireWritable(file: string): Promise<void> {
  if ((await lstat(file).catch(() => undefined)) !== undefined) {
    throw new FabricError({ code: 'conflict', message: `${file} exists already`, hint: 'Name another file with --output.' });
  }
  await access(dirname(file), constants.W_OK | constants.X_OK).catch((error: unknown) => Promise.reject(unwritable(file, error)));
}

async function writeNew(file: string, bytes: Buffer): Promise<void> {
  try {
    await writeFile(file, bytes, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') await unlink(file).catch(() => undefined);
    throw unwritable(file, error);
  }
}

function unwritable(file: string, error: unknown): FabricError {
  return new FabricError({
    code: 'forbidden',
    message: `the archive ${file} cannot be written: ${errorText(error)}`,
    hint: 'Name another file with --output.',
    cause: error,
  });
}
