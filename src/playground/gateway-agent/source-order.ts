// The order in which a connection tries the sources of an Import. Source: ClusterLink v0.4.1, load balancer and its three schemes.
import type { ImportResource, ImportSource } from './resources';

/** Remembers each Import's turn. */
export class SourceOrder {
  private readonly turns = new Map<string, number>();

  constructor(private readonly random: () => number = Math.random) {}

  /**
   * The sources in the order in which this connection tries them; for round-robin, every source tried moves the next connection on.
   * @param key the Import's `namespace/name`.
   * @returns `undefined` for a scheme that does not exist.
   */
  next(key: string, spec: ImportResource['spec']): Iterable<ImportSource> | undefined {
    const sources = spec.sources ?? [];
    switch (spec.lbScheme ?? '') {
      case '':
      case 'round-robin':
        return this.roundRobin(key, sources);
      case 'random':
        return rotated(sources, Math.floor(this.random() * sources.length));
      case 'static':
        return sources;
      default:
        return undefined;
    }
  }

  private *roundRobin(key: string, sources: readonly ImportSource[]): Generator<ImportSource> {
    const start = (this.turns.get(key) ?? 0) + 1;
    for (const source of rotated(sources, start)) {
      this.turns.set(key, (this.turns.get(key) ?? 0) + 1);
      yield source;
    }
  }
}

function rotated(sources: readonly ImportSource[], start: number): ImportSource[] {
  return sources.map((_, index) => sources[(start + index) % sources.length] as ImportSource);
}
