// Connects to Temporal with the same file, variables and profiles as the `temporal` command line, and says what is
// wrong when that fails: no server, a wrong namespace, a certificate that does not fit.
import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { FabricError } from '../errors/fabric-error';
import { readCodecKeys } from './codec-keys';
import { errorText } from './command';
import { dataConverterFor } from './data-converter';
import { probeServer } from './server-probe';

/** Which Temporal server and namespace are meant; all that is left out comes from the configuration. */
export interface TemporalTarget {
  /** `host:port`. */
  readonly address?: string | undefined;
  readonly namespace?: string | undefined;
  /** Of the configuration file. Default: `TEMPORAL_PROFILE`, else `default`. */
  readonly profile?: string | undefined;
  /** Reads neither the configuration file nor `TEMPORAL_*`: for an embedded server, where a cloud's TLS settings are in the way. */
  readonly ignoreConfig?: boolean | undefined;
  /** Absolute path of the file of codec keys. Default: payloads are not encrypted. */
  readonly codecKeys?: string | undefined;
  /** Where `TEMPORAL_*` and proxy variables are looked up. Default: the process's own. */
  readonly env?: NodeJS.ProcessEnv;
}

/** A target with every blank filled in. */
export interface TemporalSettings {
  readonly address: string;
  readonly namespace: string;
  /** TLS, API key and headers; for Connection and NativeConnection alike. */
  readonly connectionOptions: ClientConnectConfig['connectionOptions'];
}

export interface TemporalClient {
  readonly client: Client;
  readonly connection: Connection;
  readonly address: string;
  readonly namespace: string;
  close(): Promise<void>;
}

const DEFAULT_ADDRESS = '127.0.0.1:7233';
const CONNECT_TIMEOUT_MS = 10_000;
/** The variables for which gRPC takes a proxy. */
const PROXY_VARIABLES = ['grpc_proxy', 'https_proxy', 'http_proxy'];

const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/**
 * Resolves a target: what it says itself, else `TEMPORAL_*`, else the profile, else `127.0.0.1:7233` and `default`.
 *
 * @throws `invalid` when the profile does not exist or the configuration cannot be read.
 */
export function temporalSettings(target: TemporalTarget = {}): TemporalSettings {
  const { connectionOptions, namespace } = loadConfig(target);
  const address = target.address ?? connectionOptions.address ?? DEFAULT_ADDRESS;
  return { address, namespace: target.namespace ?? namespace ?? 'default', connectionOptions: { ...connectionOptions, address } };
}

/** How payloads are written and read there. @throws what readCodecKeys throws */
export async function targetConverter({ codecKeys }: TemporalTarget): Promise<DataConverter> {
  return dataConverterFor(codecKeys === undefined ? undefined : await readCodecKeys(codecKeys));
}

/**
 * Connects a client and makes sure that the namespace exists.
 *
 * @throws what readCodecKeys throws; `invalid` for a bad configuration; `unreachable` when nothing answers or TLS fails; `not_found` for the
 * namespace; `forbidden` when the server refuses us.
 */
export async function connectClient(target: TemporalTarget = {}): Promise<TemporalClient> {
  const { address, namespace, connectionOptions } = temporalSettings(target);
  const env = target.env ?? process.env;
  const dataConverter = await targetConverter(target);
  // gRPC never tells why it cannot connect, and only after its timeout; a direct probe does, at once.
  if (!PROXY_VARIABLES.some((name) => env[name])) await probeServer(address, connectionOptions.tls, CONNECT_TIMEOUT_MS);
  const connection = Connection.lazy({ ...connectionOptions, connectTimeout: CONNECT_TIMEOUT_MS });
  try {
    await connection.ensureConnected();
    await connection.withDeadline(Date.now() + CONNECT_TIMEOUT_MS, () => connection.workflowService.describeNamespace({ namespace }));
  } catch (error) {
    await connection.close();
    throw connectFailure(error, address, namespace);
  }
  return { client: new Client({ connection, namespace, dataConverter }), connection, address, namespace, close: () => connection.close() };
}

function loadConfig({ ignoreConfig, profile, env }: TemporalTarget): ClientConnectConfig {
  if (ignoreConfig === true) return { connectionOptions: {} };
  try {
    return loadClientConnectConfig({
      ...(profile === undefined ? {} : { profile }),
      ...(env === undefined ? {} : { overrideEnvVars: definedOnly(env) }),
    });
  } catch (error) {
    throw new FabricError({
      code: 'invalid',
      message: `Temporal's client configuration cannot be used: ${errorText(error).split('\n')[0]}`,
      hint: 'See `temporal config list` and the TEMPORAL_* variables, or name a server with --address and --temporal-namespace.',
      cause: error,
    });
  }
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function connectFailure(error: unknown, address: string, namespace: string): FabricError {
  const answer = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  const code: number | undefined = isGrpcServiceError(answer) ? answer.code : undefined;
  if (code === NOT_FOUND) {
    return new FabricError({
      code: 'not_found',
      message: `the Temporal server at ${address} has no namespace ${namespace}`,
      hint: `Create it (temporal operator namespace create --namespace ${namespace}) or name another with --temporal-namespace.`,
      cause: error,
    });
  }
  if (code === PERMISSION_DENIED || code === UNAUTHENTICATED) {
    return new FabricError({
      code: 'forbidden',
      message: `the Temporal server at ${address} refuses access to namespace ${namespace}: ${errorText(answer)}`,
      hint: 'Check the API key or client certificate of the Temporal profile.',
      cause: error,
    });
  }
  return new FabricError({
    code: 'unreachable',
    message: `${address} accepts connections but does not answer as a Temporal server: ${errorText(answer)}`,
    hint: 'Check the address, and whether the server wants TLS or a client certificate.',
    cause: error,
  });
}
