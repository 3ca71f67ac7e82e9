// Reading what Temporal tells beyond results: descriptions, lists and histories, whose payloads the SDK leaves encrypted, or gives up on as
// a whole when one of them cannot be decrypted.
import { type Client, WorkflowClient } from '@temporalio/client';
import { defaultPayloadConverter, type Payload, type PayloadCodec } from '@temporalio/common';
import { isRecord } from '../model/problems';
import { errorText } from './command';

/** What the SDK makes of the texts of a failure when it hides them (`encodeCommonAttributes`). */
interface FailureTexts {
  readonly message?: unknown;
  readonly stack_trace?: unknown;
}

/**
 * Decodes every payload within a message of Temporal's API, in place, and puts the texts of failures back where they belong.
 * @returns why payloads stayed encrypted, each reason once
 */
export async function decodeWithin(
  message: unknown,
  { options }: { readonly options: WorkflowClient['options'] | Client['options'] },
): Promise<string[]> {
  const codecs = options.loadedDataConverter.payloadCodecs;
  const unread = new Set<string>();
  const visit = async (value: unknown): Promise<void> => {
    if (Array.isArray(value)) {
      for (const item of value) await visit(item);
    } else if (isPayload(value)) {
      const decoded = await decodeOne(codecs, value).catch((error: unknown) => void unread.add(errorText(error)));
      if (decoded !== undefined) Object.assign(value, { metadata: decoded.metadata, data: decoded.data });
    } else if (isRecord(value) && !(value instanceof Uint8Array)) {
      for (const inner of Object.values(value)) await visit(inner);
      if (isPayload(value['encodedAttributes'])) restoreTexts(value, value['encodedAttributes']);
    }
  };
  await visit(message);
  return [...unread];
}

/** A client for lists and descriptions: a memo or summary that cannot be decrypted says so in its own place, and the rest can be read. */
export function lenientClient({ connection, options }: Client): WorkflowClient {
  const codecs = options.loadedDataConverter.payloadCodecs;
  const lenient: PayloadCodec = {
    encode: (payloads) => Promise.resolve(payloads),
    decode: (payloads) =>
      Promise.all(
        payloads.map((payload) =>
          decodeOne(codecs, payload).catch((error: unknown) => defaultPayloadConverter.toPayload(`[encrypted: ${errorText(error)}]`)),
        ),
      ),
  };
  return new WorkflowClient({ connection, namespace: options.namespace, dataConverter: { payloadCodecs: [lenient] } });
}

async function decodeOne(codecs: readonly PayloadCodec[], payload: Payload): Promise<Payload> {
  let decoded = payload;
  for (const codec of [...codecs].reverse()) {
    const [inner] = await codec.decode([decoded]);
    decoded = inner ?? decoded;
  }
  return decoded;
}

function isPayload(value: unknown): value is Payload {
  return isRecord(value) && isRecord(value['metadata']) && value['metadata']['encoding'] instanceof Uint8Array;
}

/** As the SDK's own converter does when it makes an error of a failure. */
function restoreTexts(failure: Record<string, unknown>, attributes: Payload): void {
  const encoding = Buffer.from(attributes.metadata?.['encoding'] ?? new Uint8Array()).toString();
  if (encoding !== 'json/plain') return;
  const texts: FailureTexts = defaultPayloadConverter.fromPayload(attributes);
  if (typeof texts.message === 'string') failure['message'] = texts.message;
  if (typeof texts.stack_trace === 'string') failure['stackTrace'] = texts.stack_trace;
  failure['encodedAttributes'] = null;
}
