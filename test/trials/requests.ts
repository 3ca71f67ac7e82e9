// What a planned run asks for, in full.
import type { RunKind, Runs } from '../../src/contract/runs';
import type { PeerInput } from '../../src/model/peer';
import { MEMBERS, NAMESPACE, STEADY, type ClusterName, type RunPlan, type Schedule } from './schedule';

export const PORT = 8080;

/** What all requests of one world share. */
export interface Setting {
  readonly fabric: string;
  readonly deadlines: Schedule['deadlines'];
  readonly peerOf: (name: ClusterName) => PeerInput;
}

/** A run to be started. */
export type Request = { readonly [K in RunKind]: { readonly kind: K; readonly input: Runs[K]['input'] } }[RunKind];

export function requestOf(plan: RunPlan, { fabric, deadlines, peerOf }: Setting): Request {
  const common = { fabric, deadlines };
  switch (plan.kind) {
    case 'ConnectServiceAcrossClusters': {
      const { kind, service, from, to, merge, verify } = plan;
      const input = {
        ...common,
        service: { name: service, namespace: NAMESPACE, port: PORT },
        from: [...from],
        to: [...to],
        merge,
        verify: { mode: verify },
      };
      return { kind, input };
    }
    case 'DisconnectService': {
      const { kind, service, from, to } = plan;
      const between = { ...(from === undefined ? {} : { from: [...from] }), ...(to === undefined ? {} : { to: [...to] }) };
      return { kind, input: { ...common, service: { name: service, namespace: NAMESPACE }, ...between } };
    }
    case 'EstablishLink':
      return { kind: plan.kind, input: { ...common, peers: [...plan.peers] } };
    case 'TeardownLink':
      return { kind: plan.kind, input: { ...common, peers: [...plan.peers], force: plan.force } };
    case 'BootstrapFabric': {
      const { kind, peers, hub, dataplaneReplicas, onFailure } = plan;
      const input = {
        ...common,
        peers: peers.map(peerOf),
        links: { kind: 'hub-and-spoke' as const, hub },
        clusterlink: { dataplaneReplicas },
        certificates: { authorityKeyBits: 2048 as const },
        onFailure,
      };
      return { kind, input };
    }
    case 'TeardownFabric':
      return { kind: plan.kind, input: { ...common, force: plan.force, ...(plan.peers === undefined ? {} : { peers: [...plan.peers] }) } };
  }
}

/** The fabric as every trial begins, and must be able to end. */
export const BASE: readonly RunPlan[] = [
  { kind: 'BootstrapFabric', peers: [...MEMBERS], hub: 'east', dataplaneReplicas: 1, onFailure: 'rollback' },
  { kind: 'ConnectServiceAcrossClusters', service: STEADY, from: ['west'], to: ['east'], merge: false, verify: 'status' },
];

/** A run in a few words, for journals. */
export function describePlan(plan: RunPlan): string {
  switch (plan.kind) {
    case 'ConnectServiceAcrossClusters':
      return `connect ${plan.service} from ${plan.from.join()} to ${plan.to.join()}${plan.merge ? ' with merge' : ''} (${plan.verify})`;
    case 'DisconnectService':
      return `disconnect ${plan.service}${plan.from === undefined ? '' : ` from ${plan.from.join()}`}${plan.to === undefined ? '' : ` to ${plan.to.join()}`}`;
    case 'EstablishLink':
      return `link ${plan.peers.join(' ')}`;
    case 'TeardownLink':
      return `unlink ${plan.peers.join(' ')}${plan.force ? ' --force' : ''}`;
    case 'BootstrapFabric':
      return `bootstrap ${plan.peers.join()} with ${plan.dataplaneReplicas} data planes, ${plan.onFailure}`;
    case 'TeardownFabric':
      return `teardown ${plan.peers?.join() ?? 'all'}${plan.force ? ' --force' : ''}`;
  }
}
