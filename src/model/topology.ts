// Which peers are linked: a topology is written as a word, or as pairs, and becomes a sorted list of links.

/** Two peers whose gateways are peered; `a` sorts before `b`. */
export interface Link {
  readonly a: string;
  readonly b: string;
}

/** How the peers of a fabric are linked: by a word, with a hub's name, or pair by pair. */
export type Topology =
  | { readonly kind: 'full-mesh' }
  | { readonly kind: 'hub-and-spoke'; readonly hub: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'pairs'; readonly pairs: readonly (readonly [string, string])[] };

/** The link between two peers, whichever is named first. */
export function linkOf(one: string, other: string): Link {
  return one < other ? { a: one, b: other } : { a: other, b: one };
}

/** `west-east`, for people and for ids; peer names may hold dashes, so it is never parsed. */
export function linkName(link: Link): string {
  return `${link.a}~${link.b}`;
}

/** The links that a topology asks for among `peers`: sorted, each once, none of a peer with itself. */
export function linksOf(topology: Topology, peers: readonly string[]): Link[] {
  switch (topology.kind) {
    case 'none':
      return [];
    case 'full-mesh':
      return distinct(peers.flatMap((one, i) => peers.slice(i + 1).map((other) => linkOf(one, other))));
    case 'hub-and-spoke':
      return distinct(peers.filter((peer) => peer !== topology.hub).map((peer) => linkOf(peer, topology.hub)));
    case 'pairs':
      return distinct(topology.pairs.map(([one, other]) => linkOf(one, other)));
  }
}

/** The links between every exporting and every importing peer; a peer reaches its own services without a link. */
export function linksBetween(from: readonly string[], to: readonly string[]): Link[] {
  return distinct(from.flatMap((one) => to.filter((other) => other !== one).map((other) => linkOf(one, other))));
}

function distinct(links: readonly Link[]): Link[] {
  const byName = new Map(links.map((link) => [linkName(link), link]));
  return [...byName.keys()].sort().flatMap((name) => byName.get(name) ?? []);
}
