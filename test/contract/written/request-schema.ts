// The JSON Schemas of requests, from the zod schemas that read them. What is checked across fields has no shape in JSON Schema: the
// workflow tells of it.
import { z } from 'zod';
import type { RunKind } from '../../../src/contract/runs';
import {
  bootstrapRequest,
  checkRequest,
  cleanUpRequest,
  connectRequest,
  disconnectRequest,
  linkRequest,
  teardownRequest,
  unlinkRequest,
  verifyRequest,
} from '../../../src/model/requests';
import type { SchemaFile } from './json-schema';

export const REQUESTS: Readonly<Record<RunKind, z.ZodType>> = {
  BootstrapFabric: bootstrapRequest,
  CheckClusters: checkRequest,
  CleanUpFabric: cleanUpRequest,
  ConnectServiceAcrossClusters: connectRequest,
  DisconnectService: disconnectRequest,
  EstablishLink: linkRequest,
  TeardownFabric: teardownRequest,
  TeardownLink: unlinkRequest,
  VerifyFabric: verifyRequest,
};

/** The schema of what may be asked: fields with a default may be left out. @throws Error for a pattern that JSON Schema cannot hold */
export function requestSchema(kind: RunKind): SchemaFile {
  return z.toJSONSchema(REQUESTS[kind], {
    io: 'input',
    override: ({ zodSchema }) => {
      const { patterns } = zodSchema._zod.bag as { readonly patterns?: ReadonlySet<RegExp> };
      for (const { source, flags } of patterns ?? []) {
        // A flag would be left out without a word.
        if (flags !== '') throw new Error(`the pattern /${source}/${flags} of ${kind} has flags`);
      }
    },
  }) as SchemaFile;
}
