// A small fabric of simulated clusters, put together by hand: what the agents' tests need, without any workflow.
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFINITIONS } from '../../../src/clusterlink/definitions';
import { gatewayManifests, namespaceManifest } from '../../../src/clusterlink/gateway-manifests';
import { gatewaySecrets, siteRevision } from '../../../src/clusterlink/gateway-secrets';
import type { KubeObject } from '../../../src/kubernetes/kube-object';
import { gatewayOptions } from '../../../src/model/gateway';
import { peer } from '../../../src/model/peer';
import type { KeyedCertificate, SiteCertificates } from '../../../src/pki/certificate';
import { createFabricAuthority, createPeerRequest, createSiteCertificates, signPeerRequest } from '../../../src/pki/certificate';
import type { SimulatedCluster, SimulatedClusterOptions, SimulatedClusters } from '../../../src/playground/simulated-cluster';
import { startSimulatedClusters } from '../../../src/playground/simulated-cluster';

export const NAMESPACE = 'clusterlink-system';
export const QUICK = { readyDelayMs: 5, heartbeatMs: 25 } as const;

type Any = KubeObject & Record<string, unknown>;
const LINK = 'clusterlink.net/v1alpha1';

/** Waits until a question is answered with something; the message says what was waited for. */
export async function eventually<T>(what: string, question: () => Promise<T | undefined | false>, timeoutMs = 10_000): Promise<T> {
  for (const deadline = Date.now() + timeoutMs; ;) {
    const answer = await question();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await sleep(10);
  }
}

// Keys take long to make, and no test changes them: each test file makes them once.
const authority = once(() => createFabricAuthority({ fabric: 'test', keyBits: 2048 }));
const site = once(() => createSiteCertificates());
const issued = new Map<string, Promise<KeyedCertificate>>();

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** A certificate of any authority, with a key of its own. */
export async function issuePeer(authority: KeyedCertificate, name: string): Promise<KeyedCertificate> {
  const { requestPem, keyPem } = await createPeerRequest({ peer: name });
  const { certificatePem } = await signPeerRequest({ authority, requestPem, allowed: { peer: name, minKeyBits: 2048 } });
  return { certificatePem, keyPem };
}

/** Clusters with gateways, all of one fabric, and not linked yet. */
export class Fabric {
  /** Whether gateways are installed with definitions that take anything. */
  open = false;

  private constructor(
    readonly simulated: SimulatedClusters,
    readonly authority: KeyedCertificate,
    readonly site: SiteCertificates,
  ) {}

  static async start(names: readonly string[], options: SimulatedClusterOptions = QUICK): Promise<Fabric> {
    return new Fabric(...(await Promise.all([startSimulatedClusters(names, options), authority(), site()])));
  }

  static async withGateways(names: readonly string[], options: SimulatedClusterOptions = QUICK): Promise<Fabric> {
    const fabric = await Fabric.start(names, options);
    await Promise.all(names.map((name) => fabric.install(name)));
    return fabric;
  }

  cluster(name: string): SimulatedCluster {
    return this.simulated.cluster(name);
  }

  /** Installs the definitions; `open` ones take any spec, poison too, as upstream's do. */
  async installDefinitions(name: string, open = this.open): Promise<void> {
    const { client } = this.cluster(name);
    await client.create(namespaceManifest(NAMESPACE));
    const anything = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const opened = ({ spec, ...rest }: (typeof DEFINITIONS)[number]): object => ({
      ...rest,
      spec: { ...spec, versions: spec.versions.map((version) => ({ ...version, schema: anything })) },
    });
    await Promise.all(DEFINITIONS.map((definition) => client.create((open ? opened(definition) : definition) as KubeObject)));
    await Promise.all(
      DEFINITIONS.map(({ spec }) =>
        eventually(`${spec.names.kind} is served`, () =>
          client.list({ apiVersion: LINK, kind: spec.names.kind }).then(
            () => true,
            () => false,
          ),
        ),
      ),
    );
  }

  /** The certificate that this fabric's peer of that name has. */
  peer(name: string): Promise<KeyedCertificate> {
    const certificate = issued.get(name) ?? issuePeer(this.authority, name);
    issued.set(name, certificate);
    return certificate;
  }

  async install(name: string): Promise<void> {
    const { client, ingressPort } = this.cluster(name);
    await this.installDefinitions(name);
    for (const secret of gatewaySecrets({
      namespace: NAMESPACE,
      site: this.site,
      peer: await this.peer(name),
      authorityPem: this.authority.certificatePem,
    }))
      await client.create(secret);
    const settings = peer.parse({ name, context: name, ingress: { type: 'LoadBalancer', port: ingressPort }, labels: { side: name } });
    for (const object of gatewayManifests(settings, gatewayOptions.parse({}), { siteRevision: siteRevision(this.site) }))
      await client.apply(object);
    await this.ready(name, NAMESPACE, 'cl-controlplane');
    await this.ready(name, NAMESPACE, 'cl-dataplane');
  }

  async ready(name: string, namespace: string, deployment: string): Promise<void> {
    await eventually(
      `${name}: ${deployment} is ready`,
      async () =>
        ((await this.get(name, 'Deployment', namespace, deployment))?.['status'] as { readyReplicas?: number } | undefined)
          ?.readyReplicas === 1,
    );
  }

  async get(name: string, kind: string, namespace: string | undefined, object: string): Promise<Any | undefined> {
    const apiVersion = { Deployment: 'apps/v1', Job: 'batch/v1', Pod: 'v1', Service: 'v1', Secret: 'v1' }[kind] ?? LINK;
    return this.cluster(name).client.get<Any>({ apiVersion, kind, ...(namespace === undefined ? {} : { namespace }), name: object });
  }

  async create(
    name: string,
    kind: string,
    namespace: string | undefined,
    object: string,
    spec: object,
    labels: Record<string, string> = {},
  ): Promise<void> {
    await this.cluster(name).client.create({
      apiVersion: LINK,
      kind,
      metadata: { name: object, ...(namespace === undefined ? {} : { namespace }), labels },
      spec,
    } as KubeObject);
  }

  async remove(name: string, kind: string, namespace: string, object: string): Promise<void> {
    await this.cluster(name).client.delete({ apiVersion: LINK, kind, namespace, name: object });
  }

  async condition(
    name: string,
    kind: string,
    namespace: string,
    object: string,
    type: string,
  ): Promise<{ status: string; message?: string; lastTransitionTime?: string } | undefined> {
    const status = (await this.get(name, kind, namespace, object))?.['status'] as
      { conditions?: { type: string; status: string; message?: string; lastTransitionTime?: string }[] } | undefined;
    return status?.conditions?.find((condition) => condition.type === type);
  }

  async awaitCondition(name: string, kind: string, namespace: string, object: string, type: string, status: string): Promise<void> {
    await eventually(
      `${name}: ${kind} ${object} has ${type}=${status}`,
      async () => (await this.condition(name, kind, namespace, object, type))?.status === status,
    );
  }

  /** Creates the Peer for `remote` on `name`; by default with the gateway that it really has. */
  async addPeer(name: string, remote: string, gateway = { host: '127.0.0.1', port: this.cluster(remote).ingressPort }): Promise<void> {
    await this.create(name, 'Peer', NAMESPACE, remote, { gateways: [gateway] });
  }

  /** Links two clusters both ways, and waits until both say so. */
  async link(a: string, b: string): Promise<void> {
    await Promise.all([this.addPeer(a, b), this.addPeer(b, a)]);
    await Promise.all([
      this.awaitCondition(a, 'Peer', NAMESPACE, b, 'PeerReachable', 'True'),
      this.awaitCondition(b, 'Peer', NAMESPACE, a, 'PeerReachable', 'True'),
    ]);
  }

  async export(name: string, service = 'echo', namespace = 'demo'): Promise<void> {
    await this.create(name, 'Export', namespace, service, { port: 80 });
    await this.awaitCondition(name, 'Export', namespace, service, 'ExportValid', 'True');
  }

  async import(
    name: string,
    sources: readonly string[],
    more: { lbScheme?: string; service?: string; merge?: boolean } = {},
  ): Promise<void> {
    const { lbScheme = 'round-robin', service = 'echo', merge = false } = more;
    const spec = { port: 80, lbScheme, sources: sources.map((source) => ({ peer: source, exportName: 'echo', exportNamespace: 'demo' })) };
    await this.create(name, 'Import', 'demo', service, spec, merge ? { 'import.clusterlink.net/merge': 'true' } : {});
    await this.awaitCondition(name, 'Import', 'demo', service, 'ImportServiceValid', 'True');
  }

  async allow(
    name: string,
    spec: object = { action: 'allow', from: [{ workloadSelector: {} }], to: [{ workloadSelector: {} }] },
    object = 'allow',
  ): Promise<void> {
    await this.create(name, 'AccessPolicy', 'demo', object, spec);
  }

  /** Which cluster answers a call from the client workload; `refused` when none does. */
  async call(name: string, service = 'echo', client = 'client'): Promise<string> {
    try {
      const { body } = await this.cluster(name).fetchFrom({ namespace: 'demo', name: client }, `http://${service}.demo.svc/`);
      return (JSON.parse(body) as { cluster: string }).cluster;
    } catch {
      return 'refused';
    }
  }

  /** How often each cluster answered. */
  async calls(name: string, count: number, service = 'echo'): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (let call = 0; call < count; call += 1) {
      const answer = await this.call(name, service);
      counts[answer] = (counts[answer] ?? 0) + 1;
    }
    return counts;
  }

  /** Waits until a call is answered by a given cluster. */
  async awaitAnswer(name: string, answer: string, service = 'echo'): Promise<void> {
    await eventually(`${name} is answered by ${answer}`, async () => (await this.call(name, service)) === answer);
  }

  async close(): Promise<void> {
    await this.simulated.close();
  }
}
