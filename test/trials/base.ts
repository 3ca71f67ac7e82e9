// The fabric as a trial finds it, the way back to it, and whether it is reached.
import { readClaims } from '../../src/kubernetes/claim-marks';
import { digestOf } from '../../src/kubernetes/digest';
import { readRegister } from '../../src/contract/read-register';
import { linkName } from '../../src/model/topology';
import { managedObjects, type Observation } from './observation';
import { BASE } from './requests';
import type { EndedRun, Runner } from './runs';
import { CLUSTERS, MEMBERS, NEWCOMER, STEADY, type ClusterName, type RunPlan } from './schedule';
import type { TrialWorker } from './worker';
import type { World } from './world';

/** Kinds of which the contents are compared too: their claims are all that they are. */
const COMPARED = ['Import', 'Export', 'Peer', 'AccessPolicy'];

/** What stands of the fabric, and what its register tells: one line each. */
export async function snapshot(worker: TrialWorker, world: World): Promise<ReadonlySet<string>> {
  const managed = managedObjects(world);
  const lines = CLUSTERS.flatMap((cluster) =>
    managed[cluster].map((object) => {
      const { kind, metadata } = object;
      const needs = COMPARED.includes(kind) ? readClaims(object).map(({ id, need }) => ({ id, need })) : [];
      return `${cluster}: ${kind} ${metadata.namespace ?? ''}/${metadata.name} ${needs.length === 0 ? '' : digestOf(needs).slice(0, 8)}`;
    }),
  );
  const register = await readRegister(worker.environment.client, world.fabric);
  return new Set([
    ...lines,
    ...(register?.peers ?? []).map(({ name }) => `register: peer ${name}`),
    ...(register?.links ?? []).map((link) => `register: link ${linkName(link)}`),
    ...(register?.connections ?? []).map(({ id, imports }) => `register: ${id} ${JSON.stringify(imports)}`),
  ]);
}

export function differencesOf(before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  return [
    ...[...after].filter((line) => !before.has(line)).map((line) => `${line.trim()} is left`),
    ...[...before].filter((line) => !after.has(line)).map((line) => `${line.trim()} is missing`),
  ];
}

/** Asks for the base; every run of it must succeed. */
export async function restore(runner: Runner): Promise<EndedRun[]> {
  const ended: EndedRun[] = [];
  for (const plan of BASE) ended.push(await runner.run(plan));
  return ended;
}

/** Codes with which a request may be refused when it is made again: the fabric is another one by then. */
const REFUSALS = ['conflict', 'in_use', 'not_found', 'invalid'];

/**
 * Makes the requests again that left something, then the base's, then those of connections that the register knows.
 * @returns runs that should have succeeded and did not
 */
export async function heal(runner: Runner, { runs, register, user }: Observation): Promise<EndedRun[]> {
  const bad: EndedRun[] = [];
  // Without their gateways nothing else can be asked for.
  if (user.brokenGateways.size > 0) bad.push(...(await restore(runner)).filter(({ how }) => how !== 'done'));
  const again = new Map(runs.filter(({ residue, how }) => residue.length > 0 || how === 'stuck').map((run) => [run.workflowId, run.plan]));
  for (const plan of again.values()) {
    const ended = await runner.run(plan);
    if (ended.how !== 'done' && !(REFUSALS.includes(ended.code ?? '') && ended.residue.length === 0)) bad.push(ended);
  }
  bad.push(...(await restore(runner)).filter(({ how }) => how !== 'done'));
  const plans = new Map(runs.map(({ workflowId, plan }) => [workflowId, plan]));
  for (const { workflowId, imports } of register?.connections ?? []) {
    const plan = plans.get(workflowId);
    const isWhole = Object.keys(imports).every((peer) => register?.peers.some(({ name }) => name === peer));
    if (plan?.kind !== 'ConnectServiceAcrossClusters' || !isWhole) continue;
    const ended = await runner.run(plan);
    // What it is about may have left the fabric with what was healed before.
    if (ended.how !== 'done' && ended.code !== 'not_found') bad.push(ended);
  }
  return bad;
}

/** Takes away what the trial's requests have made and have asked to keep. @returns runs that did not succeed */
export async function reset(runner: Runner, observation: Observation, base: ReadonlySet<string>): Promise<EndedRun[]> {
  const plans: RunPlan[] = [
    ...servicesOf(observation).map((service): RunPlan => ({ kind: 'DisconnectService', service })),
    ...(hasPeer(observation, NEWCOMER) ? [{ kind: 'TeardownFabric', peers: [NEWCOMER], force: true } as const] : []),
  ];
  const ended: EndedRun[] = [];
  for (const plan of plans) ended.push(await runner.run(plan));
  for (const peers of linksBeside(observation, base)) ended.push(await runner.run({ kind: 'TeardownLink', peers, force: true }));
  return ended.filter(({ how }) => how !== 'done');
}

function servicesOf({ managed, register }: Observation): string[] {
  const standing = CLUSTERS.flatMap((cluster) =>
    managed[cluster].filter(({ kind }) => kind === 'Import' || kind === 'Export').map(({ metadata }) => metadata.name),
  );
  const told = (register?.connections ?? []).map(({ service }) => service.name);
  return [...new Set([...standing, ...told])].filter((name) => name !== STEADY).sort();
}

function hasPeer({ managed, register }: Observation, name: ClusterName): boolean {
  return managed[name].length > 0 || register?.peers.some((peer) => peer.name === name) === true;
}

/** Pairs of members whose Peers are not there, or claimed, as in the base. */
function linksBeside({ managed, register }: Observation, base: ReadonlySet<string>): (readonly [ClusterName, ClusterName])[] {
  const pairs = MEMBERS.flatMap((one, index) => MEMBERS.slice(index + 1).map((other): readonly [ClusterName, ClusterName] => [one, other]));
  return pairs.filter(([one, other]) => {
    const peers = [...managed[one].filter((object) => isPeer(object, other)), ...managed[other].filter((object) => isPeer(object, one))];
    const isTold = register?.links.some(({ a, b }) => a === one && b === other) === true;
    const isBase = base.has(`register: link ${one}~${other}`);
    const extra = peers.some((peer) => readClaims(peer).some(({ by }) => !isBaseClaim(by)));
    return extra || (!isBase && (isTold || peers.length > 0));
  });
}

function isPeer({ kind, metadata }: { readonly kind: string; readonly metadata: { readonly name: string } }, name: string): boolean {
  return kind === 'Peer' && metadata.name === name;
}

/** Whether a workflow id is that of a request of the base. */
function isBaseClaim(by: string): boolean {
  return by.endsWith(`/${[...MEMBERS].sort().join('+')}`) || by.includes(`/${STEADY}/`);
}
