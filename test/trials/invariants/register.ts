// The register agrees with the clusters' claims: peers with gateways, links with Peers on both sides, connections with imports and exports.
import { isClaimOf } from '../../../src/contract/workflow-ids';
import type { ExportNeed } from '../../../src/clusterlink/compose-export';
import type { ImportNeed } from '../../../src/clusterlink/compose-import';
import { readClaims } from '../../../src/kubernetes/claim-marks';
import { canonicalJson } from '../../../src/kubernetes/digest';
import { distinctLinks, linkName, linkOf } from '../../../src/model/topology';
import type { Observation } from '../observation';
import { CLUSTERS } from '../schedule';

export function checkRegister(observation: Observation): string[] {
  const { register, managed } = observation;
  const standing = {
    peers: CLUSTERS.filter((cluster) =>
      managed[cluster].some(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'skyfabric-gateway'),
    ),
    links: distinctLinks(CLUSTERS.flatMap((cluster) => peersOn(observation, cluster).map((remote) => linkOf(cluster, remote)))).map(
      linkName,
    ),
    connections: connections(observation),
  };
  const told = {
    peers: register?.peers.map(({ name }) => name) ?? [],
    links: register?.links.map(linkName) ?? [],
    connections: Object.fromEntries((register?.connections ?? []).map(({ id, imports }) => [id, pairs(imports)])),
  };
  const differing = (['peers', 'links', 'connections'] as const).filter((part) => sorted(told[part]) !== sorted(standing[part]));
  return [
    ...differing.map((part) => `the register tells ${part} ${sorted(told[part])}, and the clusters hold ${sorted(standing[part])}`),
    ...oneSided(observation),
    ...unmatched(observation),
  ];
}

function peersOn({ managed }: Observation, cluster: keyof Observation['managed']): string[] {
  return managed[cluster].filter(({ kind }) => kind === 'Peer').map(({ metadata }) => metadata.name);
}

function oneSided(observation: Observation): string[] {
  return CLUSTERS.flatMap((cluster) =>
    peersOn(observation, cluster)
      .filter((remote) => !CLUSTERS.some((other) => other === remote && peersOn(observation, other).includes(cluster)))
      .map((remote) => `${cluster} has a Peer ${remote}, and ${remote} has none of ${cluster}`),
  );
}

/** Claim id → `importer<source` of the clusters' imports. */
function connections(observation: Observation): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const { id, importer, source } of importPairs(observation)) (found[id] ??= []).push(`${importer}<${source}`);
  return found;
}

/** Every import of a connection has the export it leads to, claimed by the same connection, and the other way round. */
function unmatched(observation: Observation): string[] {
  const imported = new Set(importPairs(observation).map((pair) => canonicalJson(pair)));
  const exported = new Set(exportPairs(observation).map((pair) => canonicalJson(pair)));
  return [
    ...[...imported].filter((pair) => !exported.has(pair)).map((pair) => `no export for the import ${pair}`),
    ...[...exported].filter((pair) => !imported.has(pair)).map((pair) => `no import for the export ${pair}`),
  ];
}

interface Pair {
  readonly id: string;
  readonly service: string;
  readonly importer: string;
  readonly source: string;
}

function importPairs(observation: Observation): Pair[] {
  return claimed<ImportNeed>(observation, 'Import').flatMap(({ cluster, id, service, need }) =>
    need.sources.map((source) => ({ id, service, importer: cluster, source })),
  );
}

function exportPairs(observation: Observation): Pair[] {
  return claimed<ExportNeed>(observation, 'Export').flatMap(({ cluster, id, service, need }) =>
    need.importers.map((importer) => ({ id, service, importer, source: cluster })),
  );
}

function claimed<N>({ managed }: Observation, kind: string): { cluster: string; id: string; service: string; need: N }[] {
  return CLUSTERS.flatMap((cluster) =>
    managed[cluster]
      .filter((object) => object.kind === kind)
      .flatMap((object) =>
        readClaims<N>(object)
          .filter(({ id }) => isClaimOf('connection', id))
          .map(({ id, need }) => ({ cluster, id, service: object.metadata.name, need })),
      ),
  );
}

function pairs(imports: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(imports).flatMap(([importer, sources]) => sources.map((source) => `${importer}<${source}`));
}

function sorted(value: readonly string[] | Readonly<Record<string, readonly string[]>>): string {
  if (Array.isArray(value)) return JSON.stringify([...(value as readonly string[])].sort());
  return canonicalJson(Object.fromEntries(Object.entries(value).map(([key, list]) => [key, [...list].sort()])));
}
