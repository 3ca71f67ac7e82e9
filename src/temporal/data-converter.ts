// How payloads and failures are written and read: with codec keys encrypted, without them as the SDK does it.
import type { DataConverter } from '@temporalio/common';
import type { CodecKeys } from './codec-keys';
import { EncryptionCodec } from './payload-codec';

/** Of the module that hides failures' texts: the workflow bundle must be made with it too. */
export const HIDING_FAILURES_PATH = require.resolve('./hiding-failures');

/** For clients and workers alike. */
export function dataConverterFor(keys: CodecKeys | undefined): DataConverter {
  const payloadCodecs = [new EncryptionCodec(keys)];
  return keys === undefined ? { payloadCodecs } : { payloadCodecs, failureConverterPath: HIDING_FAILURES_PATH };
}
