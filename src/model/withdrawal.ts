// What remains of connections when some of their pairs of peers are taken away.

/** Importing peer → its sources. */
export type Imports = Readonly<Record<string, readonly string[]>>;

/** Whether the pair of an importing peer and one of its sources is taken away. */
export type Taken = (importer: string, source: string) => boolean;

/** Takes the sources `from` away from the importing peers `to`; an absent list means every peer. */
export function takenBetween(from: readonly string[] | undefined, to: readonly string[] | undefined): Taken {
  return (importer, source) => (from === undefined || from.includes(source)) && (to === undefined || to.includes(importer));
}

/** Takes every pair that has one of the peers in it. */
export function takenWith(peers: readonly string[]): Taken {
  return (importer, source) => peers.includes(importer) || peers.includes(source);
}

/** The imports that remain; importing peers without a source left are gone. */
export function remainingImports(imports: Imports, taken: Taken): Imports {
  const remaining = Object.entries(imports).map(([importer, sources]): [string, readonly string[]] => [
    importer,
    sources.filter((source) => !taken(importer, source)),
  ]);
  return Object.fromEntries(remaining.filter(([, sources]) => sources.length > 0));
}

/** Whether two peers need to be linked for these imports. */
export function needsLink(imports: Imports, one: string, other: string): boolean {
  return imports[one]?.includes(other) === true || imports[other]?.includes(one) === true;
}
