import { randomUUID } from 'node:crypto';
import type { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import { temporal } from '@temporalio/proto';
import { FABRIC_ATTRIBUTE, SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes';
import { connectClient, type TemporalClient } from '../../src/temporal/connection';
import { ensureSearchAttributes } from '../../src/temporal/search-attributes';
import { testAddress } from '../support/temporal';

let server: TemporalClient;

beforeAll(async () => {
  server = await connectClient({ address: testAddress(), ignoreConfig: true });
});

afterAll(() => server.close());

/** A namespace of its own, which has none of our attributes. */
async function freshNamespace(): Promise<string> {
  const namespace = `test-${randomUUID()}`;
  await server.connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs('1 day') });
  return namespace;
}

test('missing search attributes are registered once', async () => {
  const namespace = await freshNamespace();
  await expect(ensureSearchAttributes(server.connection, namespace)).resolves.toEqual(SEARCH_ATTRIBUTES.map(({ name }) => name));
  await expect(ensureSearchAttributes(server.connection, namespace)).resolves.toEqual([]);
});

test('the dev server has them from its start', async () => {
  await expect(ensureSearchAttributes(server.connection, 'default')).resolves.toEqual([]);
});

test('one that exists with another type is a conflict', async () => {
  const namespace = await freshNamespace();
  const searchAttributes = { [FABRIC_ATTRIBUTE.name]: temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_INT };
  await server.connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  await expect(ensureSearchAttributes(server.connection, namespace)).rejects.toMatchObject({
    code: 'conflict',
    message: `search attribute SkyfabricFabric of namespace ${namespace} is not of type Keyword`,
  });
});

test('a server that refuses gets the commands for its administrator into the error', async () => {
  const refusal = Object.assign(new Error('7 PERMISSION_DENIED: Request unauthorized.'), {
    code: 7,
    details: 'Request unauthorized.',
    metadata: {},
  });
  const refusing = {
    withDeadline: (_: number, call: () => Promise<unknown>) => call(),
    operatorService: { listSearchAttributes: () => Promise.reject(refusal) },
  } as unknown as Connection;
  await expect(ensureSearchAttributes(refusing, 'prod')).rejects.toMatchObject({
    code: 'forbidden',
    hint: expect.stringContaining(
      'temporal operator search-attribute create --namespace prod --name SkyfabricPeers --type KeywordList',
    ) as string,
  });
});
