// Typed search attributes, so that runs can be found by what they touch, as in
// `temporal workflow list --query 'SkyfabricPeers = "west"'`. They are registered when a worker starts.
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

export const FABRIC_ATTRIBUTE = defineSearchAttributeKey('SkyfabricFabric', SearchAttributeType.KEYWORD);
export const PEERS_ATTRIBUTE = defineSearchAttributeKey('SkyfabricPeers', SearchAttributeType.KEYWORD_LIST);
export const SERVICE_ATTRIBUTE = defineSearchAttributeKey('SkyfabricService', SearchAttributeType.KEYWORD);

/** All of them, for registering. */
export const SEARCH_ATTRIBUTES = [FABRIC_ATTRIBUTE, PEERS_ATTRIBUTE, SERVICE_ATTRIBUTE] as const;
