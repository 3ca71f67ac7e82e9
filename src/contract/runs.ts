// The runs that can be asked for: each workflow's name, the schema of its input, and how its id is derived.
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
  type BootstrapRequestInput,
  type CheckRequestInput,
  type CleanUpRequestInput,
  type ConnectRequestInput,
  type DisconnectRequestInput,
  type LinkRequestInput,
  type TeardownRequestInput,
  type UnlinkRequestInput,
  type VerifyRequestInput,
} from '../model/requests';
import { parseAll } from '../model/problems';
import { sha256 } from '../model/sha256';
import type {
  BootstrapResult,
  CheckResult,
  CleanupResult,
  ConnectResult,
  DisconnectResult,
  LinkResult,
  TeardownResult,
  VerifyResult,
} from './results';
import {
  bootstrapWorkflowId,
  checkWorkflowId,
  cleanUpWorkflowId,
  connectWorkflowId,
  disconnectWorkflowId,
  linkWorkflowId,
  teardownWorkflowId,
  unlinkWorkflowId,
  verifyWorkflowId,
} from './workflow-ids';

/** Input and result of each workflow that a user starts. */
export interface Runs {
  BootstrapFabric: { input: BootstrapRequestInput; result: BootstrapResult };
  ConnectServiceAcrossClusters: { input: ConnectRequestInput; result: ConnectResult };
  DisconnectService: { input: DisconnectRequestInput; result: DisconnectResult };
  EstablishLink: { input: LinkRequestInput; result: LinkResult };
  TeardownLink: { input: UnlinkRequestInput; result: LinkResult };
  TeardownFabric: { input: TeardownRequestInput; result: TeardownResult };
  CheckClusters: { input: CheckRequestInput; result: CheckResult };
  VerifyFabric: { input: VerifyRequestInput; result: VerifyResult };
  CleanUpFabric: { input: CleanUpRequestInput; result: CleanupResult };
}
export type RunKind = keyof Runs;

/** A request that has been read: what is sent, and under which id. */
export interface PreparedRun {
  readonly workflowId: string;
  readonly request: { readonly fabric: string; readonly reason?: string | undefined };
  /** One line for Temporal's UI. */
  readonly summary: string;
}

/** What tells two requests of one id apart: all that changes what is done, and not the reason or the order of peers. */
export function requestDigest({ request }: PreparedRun): string {
  const { reason: _reason, ...rest } = request as Record<string, unknown>;
  const keepsOrder = rest['loadBalancing'] === 'static';
  return sha256(
    JSON.stringify(rest, (key, value: unknown) => {
      const list = Array.isArray(value) ? (value as unknown[]) : undefined;
      if (list === undefined || (keepsOrder && key === 'from')) return value;
      return ['from', 'to', 'peers', 'pairs', 'connections'].includes(key) ? list.map((item) => JSON.stringify(item)).sort() : value;
    }),
  );
}

/** Whether a workflow of this name is a run: something that a user has asked for, and that ends. */
export function isRunKind(workflowType: string): workflowType is RunKind {
  return Object.hasOwn(PREPARE, workflowType);
}

/** Reads the input of a run. @throws invalid, with every problem at once */
export function prepareRun<K extends RunKind>(kind: K, input: Runs[K]['input']): PreparedRun {
  return PREPARE[kind](input);
}

const PREPARE: Readonly<Record<RunKind, (input: unknown) => PreparedRun>> = {
  BootstrapFabric: (input) => {
    const request = parseAll(bootstrapRequest, input, 'bootstrap');
    return { request, workflowId: bootstrapWorkflowId(request), summary: `bootstrap ${request.peers.map(({ name }) => name).join(', ')}` };
  },
  ConnectServiceAcrossClusters: (input) => {
    const request = parseAll(connectRequest, input, 'connect');
    const { service, from, to } = request;
    return {
      request,
      workflowId: connectWorkflowId(request),
      summary: `connect ${service.namespace}/${service.name}:${service.port} from ${from.join(', ')} to ${to.join(', ')}`,
    };
  },
  DisconnectService: (input) => {
    const request = parseAll(disconnectRequest, input, 'disconnect');
    return {
      request,
      workflowId: disconnectWorkflowId(request),
      summary: `disconnect ${request.service.namespace}/${request.service.name}`,
    };
  },
  EstablishLink: (input) => {
    const request = parseAll(linkRequest, input, 'link');
    return { request, workflowId: linkWorkflowId(request.fabric, request.peers), summary: `link ${request.peers.join(' and ')}` };
  },
  TeardownLink: (input) => {
    const request = parseAll(unlinkRequest, input, 'unlink');
    return { request, workflowId: unlinkWorkflowId(request.fabric, request.peers), summary: `unlink ${request.peers.join(' and ')}` };
  },
  TeardownFabric: (input) => {
    const request = parseAll(teardownRequest, input, 'teardown');
    return { request, workflowId: teardownWorkflowId(request), summary: `tear down ${request.peers?.join(', ') ?? 'the whole fabric'}` };
  },
  CheckClusters: (input) => {
    const request = parseAll(checkRequest, input, 'check');
    return { request, workflowId: checkWorkflowId(request), summary: `check ${request.peers.map(({ name }) => name).join(', ')}` };
  },
  CleanUpFabric: (input) => {
    const request = parseAll(cleanUpRequest, input, 'cleanup');
    const summary = request.remove === undefined ? 'look for orphans' : 'remove orphans';
    return { request, workflowId: cleanUpWorkflowId(request.fabric), summary };
  },
  VerifyFabric: (input) => {
    const request = parseAll(verifyRequest, input, 'verify');
    const only = [...(request.connections ?? []), ...(request.peers ?? [])];
    return {
      request,
      workflowId: verifyWorkflowId(request.fabric),
      summary: `verify ${only.length === 0 ? 'every link and connection' : only.join(', ')}`,
    };
  },
};
