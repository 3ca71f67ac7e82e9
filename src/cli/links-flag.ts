// Reads `--links`. Peer names may hold dashes, so a pair is found by the names there are, never by splitting alone.
import type { Topology } from '../model/topology';

/**
 * Reads `full-mesh`, `none`, `hub-and-spoke:HUB`, or pairs such as `west-east,west:south`.
 * @returns the topology, or what is wrong with each part
 */
export function readLinks(text: string, peers: readonly string[]): Topology | { readonly problems: readonly string[] } {
  if (text === 'full-mesh' || text === 'none') return { kind: text };
  const [, hub] = /^hub-and-spoke:(.+)$/.exec(text) ?? [];
  if (hub !== undefined) return { kind: 'hub-and-spoke', hub };
  if (text === 'hub-and-spoke') return { problems: ['name the hub, as in hub-and-spoke:west'] };
  const found = text.split(',').map((part) => readPair(part.trim(), peers));
  const problems = found.filter((pair) => typeof pair === 'string');
  return problems.length > 0 ? { problems } : { kind: 'pairs', pairs: found.filter((pair) => typeof pair !== 'string') };
}

function readPair(part: string, peers: readonly string[]): readonly [string, string] | string {
  const colon = part.split(':');
  if (colon.length === 2 && colon[0] && colon[1]) return [colon[0], colon[1]];
  const pairs = [...part.matchAll(/-/g)]
    .map(({ index }) => [part.slice(0, index), part.slice(index + 1)] as const)
    .filter(([one, other]) => peers.includes(one) && peers.includes(other));
  const [pair, second] = pairs;
  if (pair === undefined)
    return `${JSON.stringify(part)} names no two peers of this request; use full-mesh, hub-and-spoke:PEER, none, or pairs such as west-east`;
  if (second !== undefined)
    return `${JSON.stringify(part)} may be ${pairs.map((names) => names.join(' and ')).join(', or ')}: write it as ${pair.join(':')}`;
  return pair;
}
