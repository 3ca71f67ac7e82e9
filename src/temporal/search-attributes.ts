// Registers our search attributes with a Temporal server: a workflow that sets one the server does not know never gets
// past its first task.
import { type Connection, isGrpcServiceError } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes';
import { FabricError } from '../errors/fabric-error';
import { errorText } from './command';

const { IndexedValueType } = temporal.api.enums.v1;

const VALUE_TYPES = {
  KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  KEYWORD_LIST: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
} as const;

const DEADLINE_MS = 10_000;

/**
 * Registers those of our search attributes that the namespace lacks, and says which these were.
 *
 * @throws `conflict` when one exists with another type; `forbidden`, with the commands for an administrator, when the
 * server does not let us (Temporal Cloud never does); `unavailable` when it cannot.
 */
export async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<string[]> {
  try {
    return await connection.withDeadline(Date.now() + DEADLINE_MS, () => registerMissing(connection, namespace));
  } catch (error) {
    if (error instanceof FabricError) throw error;
    const refused = isGrpcServiceError(error) && REFUSALS.includes(error.code);
    throw new FabricError({
      code: refused ? 'forbidden' : 'unavailable',
      message: `the search attributes of namespace ${namespace} could not be registered: ${errorText(error)}`,
      hint: `Once, as an administrator: ${SEARCH_ATTRIBUTES.map((attribute) => createCommand(attribute, namespace)).join(' && ')}`,
      cause: error,
    });
  }
}

/** PERMISSION_DENIED, UNIMPLEMENTED and UNAUTHENTICATED. */
const REFUSALS: readonly number[] = [7, 12, 16];

async function registerMissing(connection: Connection, namespace: string): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = SEARCH_ATTRIBUTES.filter(({ name }) => customAttributes[name] === undefined);
  // The server takes an attribute of another type without a word, and keeps the earlier type.
  const other = SEARCH_ATTRIBUTES.find(
    ({ name, type }) => !missing.some((key) => key.name === name) && customAttributes[name] !== VALUE_TYPES[type],
  );
  if (other !== undefined) {
    throw new FabricError({
      code: 'conflict',
      message: `search attribute ${other.name} of namespace ${namespace} is not of type ${TypedSearchAttributes.toMetadataType(other.type)}`,
      hint: 'Use another namespace, or remove the attribute with `temporal operator search-attribute remove`.',
    });
  }
  if (missing.length > 0) {
    const searchAttributes = Object.fromEntries(missing.map(({ name, type }) => [name, VALUE_TYPES[type]]));
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  }
  return missing.map(({ name }) => name);
}

function createCommand({ name, type }: (typeof SEARCH_ATTRIBUTES)[number], namespace: string): string {
  return `temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${TypedSearchAttributes.toMetadataType(type)}`;
}
