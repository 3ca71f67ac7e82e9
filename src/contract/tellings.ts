// What runs that still go on have told the register, so that one of them can be taken back exactly: a run that is undone knows the register as
// it was when it began, and others may have told it something since. Kept by GuardFabric.
import { linkName, type Link } from '../model/topology';
import { applyChange, type Register, type RegisterChange, type RegisteredConnection, type RegisteredPeer } from './register';

/** What stood in the register before a run told it something; nothing where it was new. */
type Before<T> = Readonly<Record<string, T | null>>;

/** One change of one run. */
export interface Telling {
  readonly runId: string;
  readonly peers: Before<RegisteredPeer>;
  readonly links: Before<Link>;
  readonly connections: Before<RegisteredConnection>;
  /** The run has ended: nobody takes it back, but what it put stays put when an earlier one is taken back. */
  readonly ended?: boolean;
}

/** What a register says, and what can be taken back of it. */
export interface Told {
  readonly register: Register;
  readonly tellings: readonly Telling[];
}

/** Runs that were terminated never say that they have ended: the oldest tellings are given up. */
const KEPT_TELLINGS = 100;

/** The register after a run has told a change. */
export function afterTelling({ register, tellings }: Told, change: RegisterChange): Told {
  const { run } = change;
  const told = run === undefined ? tellings : withTelling(tellings, beforeOf(register, change, run.runId));
  return { register: applyChange(register, change), tellings: pruned(told) };
}

/**
 * The register without what a run has told. What somebody told later of the same peer, link or connection stays, and nothing happens when the
 * run never came to tell anything. @param runId of the run
 */
export function afterTakingBack({ register, tellings }: Told, runId: string): Told {
  const at = tellings.findIndex((one) => one.runId === runId);
  const own = tellings[at];
  if (own === undefined) return { register, tellings };
  const later = tellings.slice(at + 1);
  const peers = split(own.peers, later, (one) => one.peers);
  const links = split(own.links, later, (one) => one.links);
  const connections = split(own.connections, later, (one) => one.connections);
  const back: RegisterChange = {
    removePeers: Object.keys(peers.back),
    removeLinks: register.links.filter((link) => Object.hasOwn(links.back, linkName(link))),
    removeConnections: Object.keys(connections.back),
    removeRuns: [runId],
    putPeers: standing(peers.back),
    putLinks: standing(links.back),
    putConnections: standing(connections.back),
  };
  const rebased = later.map((one, index): Telling => ({
    ...one,
    peers: { ...one.peers, ...peers.rebased[index] },
    links: { ...one.links, ...links.rebased[index] },
    connections: { ...one.connections, ...connections.rebased[index] },
  }));
  return { register: applyChange(register, back), tellings: pruned([...tellings.slice(0, at), ...rebased]) };
}

/** What can be taken back once a run has ended. */
export function withoutRun(tellings: readonly Telling[], runId: string): readonly Telling[] {
  return pruned(tellings.map((one) => (one.runId === runId ? { ...one, ended: true } : one)));
}

/** A step that is tried again tells the same once more: what stood before the first time counts. */
function withTelling(tellings: readonly Telling[], telling: Telling): readonly Telling[] {
  const known = tellings.find(({ runId }) => runId === telling.runId);
  if (known === undefined) return [...tellings, telling];
  const first: Telling = {
    ...known,
    peers: { ...telling.peers, ...known.peers },
    links: { ...telling.links, ...known.links },
    connections: { ...telling.connections, ...known.connections },
  };
  return tellings.map((one) => (one === known ? first : one));
}

function beforeOf(register: Register, change: RegisterChange, runId: string): Telling {
  const nameOf = ({ name }: RegisteredPeer): string => name;
  const idOf = ({ id }: RegisteredConnection): string => id;
  return {
    runId,
    peers: before(register.peers, nameOf, [...(change.removePeers ?? []), ...(change.putPeers ?? []).map(nameOf)]),
    links: before(register.links, linkName, [...(change.removeLinks ?? []), ...(change.putLinks ?? [])].map(linkName)),
    connections: before(register.connections, idOf, [...(change.removeConnections ?? []), ...(change.putConnections ?? []).map(idOf)]),
  };
}

function before<T>(list: readonly T[], keyOf: (item: T) => string, keys: readonly string[]): Before<T> {
  const byKey = new Map(list.map((item) => [keyOf(item), item]));
  return Object.fromEntries(keys.map((key) => [key, byKey.get(key) ?? null]));
}

/** Of what stood before a run: what comes back, and what is, instead, what stood before a later run that told something of the same. */
function split<T>(
  own: Before<T>,
  later: readonly Telling[],
  partOf: (telling: Telling) => Before<T>,
): { readonly back: Before<T>; readonly rebased: readonly Before<T>[] } {
  const nextOf = (key: string): number => later.findIndex((one) => Object.hasOwn(partOf(one), key));
  const of = (index: number): Before<T> => Object.fromEntries(Object.entries(own).filter(([key]) => nextOf(key) === index));
  return { back: of(-1), rebased: later.map((_, index) => of(index)) };
}

function standing<T>(before: Before<T>): T[] {
  return Object.values(before).flatMap((item) => (item === null ? [] : [item]));
}

/** Without those that nobody needs any more: of runs that have ended, with no earlier one that could still be taken back. */
function pruned(tellings: readonly Telling[]): readonly Telling[] {
  const first = tellings.findIndex(({ ended }) => ended !== true);
  return first === -1 ? [] : tellings.slice(Math.max(first, tellings.length - KEPT_TELLINGS));
}
