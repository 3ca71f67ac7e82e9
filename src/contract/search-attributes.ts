// Typed search attributes, so that runs can be found by what they touch, as in
// `temporal workflow list --query 'SkyfabricPeers = "west"'`. They are registered when a worker starts.
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

export const FABRIC_ATTRIBUTE = defineSearchAttributeKey('SkyfabricFabric', SearchAttributeType.KEYWORD);
export const PEERS_ATTRIBUTE = defineSearchAttributeKey('SkyfabricPeers', SearchAttributeType.KEYWORD_LIST);
export const SERVICE_ATTRIBUTE = defineSearchAttributeKey('SkyfabricService', SearchAttributeType.KEYWORD);

/** All of them, for registering. */
export const SEARCH_ATTRIBUTES = [FABRIC_ATTRIBUTE, PEERS_ATTRIBUTE, SERVICE_ATTRIBUTE] as const;

/** A server ends a workflow that tells it more in one attribute: 2,048 bytes of JSON, unless `limit.searchAttributesSizeOfValue` says otherwise. */
const MOST_CHARACTERS = 2_000;

/** Peers by which a run can be found, sorted: as many of the names as an attribute takes. Names are of ASCII. */
export function findableBy(peers: readonly string[]): string[] {
  const kept: string[] = [];
  let characters = 2;
  for (const name of [...new Set(peers)].sort()) {
    characters += JSON.stringify(name).length + 1;
    if (characters > MOST_CHARACTERS) break;
    kept.push(name);
  }
  return kept;
}
