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

/** `east~west`, for people and as a key; it is never parsed. */
export function linkName(link: Link): string {
  return `${link.a}~${link.b}`;
}

/** The links that a topology asks for among `peers`: sorted, each once, none of a peer with itself. */
export function linksOf(topology: Topology, peers: readonly string[]): Link[] {
  switch (topology.kind) {
    case 'none':
      return [];
    case 'full-mesh':
      return distinctLinks(peers.flatMap((one, i) => peers.slice(i + 1).map((other) => linkOf(one, other))));
    case 'hub-and-spoke':
      return distinctLinks(peers.filter((peer) => peer !== topology.hub).map((peer) => linkOf(peer, topology.hub)));
    case 'pairs':
      return distinctLinks(topology.pairs.map(([one, other]) => linkOf(one, other)));
  }
}

/** Peer → the peers it is linked to; sorted. */
export function remotesOf(links: readonly Link[]): ReadonlyMap<string, readonly string[]> {
  const remotes = new Map<string, string[]>();
  for (const { a, b } of links) {
    remotes.set(a, [...(remotes.get(a) ?? []), b].sort());
    remotes.set(b, [...(remotes.get(b) ?? []), a].sort());
  }
  return remotes;
}

/** The links that make `remotes` true: peer → the peers it is linked to. */
export function linksAmong(remotes: Readonly<Record<string, readonly string[]>>): Link[] {
  return distinctLinks(Object.entries(remotes).flatMap(([peer, others]) => others.map((other) => linkOf(peer, other))));
}

/** Each link once, sorted. */
export function distinctLinks(links: readonly Link[]): Link[] {
  const byName = new Map(links.map((link) => [linkName(link), link]));
  return [...byName.keys()].sort().flatMap((name) => byName.get(name) ?? []);
}
