// A real Kubernetes API server for tests: etcd, kube-apiserver and the controllers that every cluster relies on (namespaces, garbage,
// service accounts), on loopback, without nodes. Pods are run by the simulated node, a client as any other.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateRsaKeyPem } from '../../src/pki/key-pair';
import { createServingCertificate } from '../../src/pki/serving-certificate';
import type { ApiServer } from '../../src/playground/api-server/server';
import { writeKubeconfig } from '../../src/playground/api-server/server';
import { freePorts, Running } from './process';
import type { Programs } from './programs';

/** What tests need of an API server, real or simulated. */
export interface TestApiServer extends Pick<ApiServer, 'name' | 'url' | 'caPem' | 'token' | 'clusterUid' | 'close'> {
  /** Admits someone who may do only what the rules say, and resolves with their token once that holds. */
  addToken(identity: Parameters<ApiServer['addToken']>[0]): Promise<string>;
  /** Makes resourceVersions of ConfigMaps that lie behind expire, as time does. */
  forgetPast(): Promise<void>;
}

/** Within the time that jest gives a hook, so that the program's last words are seen. */
const START_TIMEOUT_MS = 45_000;
const DIRECTORY_PREFIX = 'skyfabric-kubernetes-';
/** kube-apiserver reads its tokens at start only, so that some are made beforehand. */
const SPARE_USERS = 20;
/** Deployments, Jobs, endpoints and load balancers are the simulated node's. */
const CONTROLLERS = 'namespace-controller,garbage-collector-controller,serviceaccount-controller,root-ca-certificate-publisher-controller';

interface Files {
  readonly directory: string;
  readonly certificate: string;
  readonly key: string;
  readonly tokens: string;
  readonly kubeconfig: string;
}

/** Starts one cluster; about five seconds of one core. */
export async function startRealCluster(name: string, programs: Programs): Promise<TestApiServer> {
  await sweep();
  const directory = await mkdtemp(join(tmpdir(), `${DIRECTORY_PREFIX}${process.pid}-`));
  const at = (file: string): string => join(directory, file);
  const files = { directory, certificate: at('tls.crt'), key: at('tls.key'), tokens: at('tokens.csv'), kubeconfig: at('kubeconfig') };
  const key = await generateRsaKeyPem(2048);
  const caPem = await createServingCertificate({ name, dnsNames: ['localhost'], ips: ['127.0.0.1'], keyPem: key });
  const token = randomBytes(24).toString('hex');
  const spare = Array.from({ length: SPARE_USERS }, () => randomBytes(24).toString('hex'));
  const [client = 0, peer = 0, port = 0] = await freePorts(3);
  const url = `https://127.0.0.1:${port}`;
  const lines = [`${token},admin,admin,system:masters`, ...spare.map((one, index) => `${one},${spareUser(index)},${spareUser(index)}`)];
  await Promise.all([
    writeFile(files.certificate, caPem),
    writeFile(files.key, key, { mode: 0o600 }),
    writeFile(files.tokens, `${lines.join('\n')}\n`, { mode: 0o600 }),
    writeKubeconfig(files.kubeconfig, [{ name, url, caPem, token }]),
  ]);
  const server = { name, url, caPem, token };
  const running: Running[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(running.map((program) => program.stop()));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    running.push(new Running('etcd', programs.etcd, etcdArguments(directory, client, peer)));
    const api = new Running('kube-apiserver', programs['kube-apiserver'], apiServerArguments(files, client, port));
    running.push(api);
    await api.until(async () => (await ask(server, 'GET', '/readyz')).status === 200, START_TIMEOUT_MS);
    const controllers = new Running('kube-controller-manager', programs['kube-controller-manager'], controllerArguments(files));
    running.push(controllers);
    const account = '/api/v1/namespaces/default/serviceaccounts/default';
    await controllers.until(async () => (await ask(server, 'GET', account)).status === 200, START_TIMEOUT_MS);
    const { body } = await ask(server, 'GET', '/api/v1/namespaces/kube-system');
    let taken = 0;
    return {
      ...server,
      clusterUid: (JSON.parse(body) as { readonly metadata: { readonly uid: string } }).metadata.uid,
      addToken: async ({ rules }) => {
        const index = taken++;
        const found = spare[index];
        if (found === undefined) throw new Error(`a real cluster has ${SPARE_USERS} spare users`);
        await grant(server, spareUser(index), rules);
        await untilGranted({ ...server, token: found }, rules);
        return found;
      },
      forgetPast: () => compact(server, client),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Removes what test processes that were killed have left. */
async function sweep(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(DIRECTORY_PREFIX));
  const left = names.filter((name) => !isAlive(Number(name.slice(DIRECTORY_PREFIX.length).split('-')[0])));
  await Promise.all(left.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true })));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function spareUser(index: number): string {
  return `spare-${index}`;
}

function etcdArguments(directory: string, client: number, peer: number): string[] {
  const clientUrl = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  return [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    '--unsafe-no-fsync',
    '--log-level=error',
  ];
}

function apiServerArguments(files: Files, etcd: number, port: number): string[] {
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    // Where pods would find it; there are none.
    '--advertise-address=192.0.2.1',
    '--endpoint-reconciler-type=none',
    '--service-cluster-ip-range=10.96.0.0/16',
    `--cert-dir=${files.directory}`,
    `--tls-cert-file=${files.certificate}`,
    `--tls-private-key-file=${files.key}`,
    `--token-auth-file=${files.tokens}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${files.key}`,
    `--service-account-signing-key-file=${files.key}`,
    // Watches of ConfigMaps come from etcd itself, which can be made to forget.
    '--watch-cache-sizes=configmaps#0',
    '--profiling=false',
    '--v=0',
  ];
}

function controllerArguments(files: Files): string[] {
  return [
    `--kubeconfig=${files.kubeconfig}`,
    `--controllers=${CONTROLLERS}`,
    `--service-account-private-key-file=${files.key}`,
    `--root-ca-file=${files.certificate}`,
    '--leader-elect=false',
    '--secure-port=0',
    '--profiling=false',
    '--v=0',
  ];
}

/** How to reach an API server as its administrator. */
export type Connection = Pick<ApiServer, 'url' | 'caPem' | 'token'>;

async function grant(server: Connection, user: string, rules: Parameters<ApiServer['addToken']>[0]['rules']): Promise<void> {
  const group = 'rbac.authorization.k8s.io';
  const subjects = [{ kind: 'User', apiGroup: group, name: user }];
  const make = async (kind: string, namespace: string | undefined, name: string, content: object): Promise<void> => {
    const path = `/apis/${group}/v1/${namespace === undefined ? '' : `namespaces/${namespace}/`}${kind.toLowerCase()}s`;
    const { status, body } = await ask(server, 'POST', path, {
      apiVersion: `${group}/v1`,
      kind,
      metadata: { name, namespace },
      ...content,
    });
    if (status !== 201) throw new Error(`${kind} ${name} cannot be made: ${body}`);
  };
  for (const [index, { namespaces, ...rule }] of rules.entries()) {
    const name = `${user}-${index}`;
    await make('ClusterRole', undefined, name, { rules: [rule] });
    const roleRef = { apiGroup: group, kind: 'ClusterRole', name };
    if (namespaces === undefined) await make('ClusterRoleBinding', undefined, name, { roleRef, subjects });
    else for (const namespace of namespaces) await make('RoleBinding', namespace, name, { roleRef, subjects });
  }
}

/** RBAC hears of roles and bindings by a watch. */
async function untilGranted(server: Connection, rules: Parameters<ApiServer['addToken']>[0]['rules']): Promise<void> {
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (const {
    apiGroups: [group],
    resources: [full = ''],
    verbs: [verb],
    namespaces: [namespace] = [],
    resourceNames: [name] = [],
  } of rules) {
    const [resource, subresource] = full.split('/');
    const review = { spec: { resourceAttributes: { group, resource, subresource, verb, namespace, name } } };
    const isAllowed = async (): Promise<boolean> => {
      const { body } = await ask(server, 'POST', path, review);
      return (JSON.parse(body) as { readonly status?: { readonly allowed?: boolean } }).status?.allowed === true;
    };
    while (resource !== '' && !(await isAllowed())) if (Date.now() > deadline) throw new Error(`${verb} ${full} is not granted in time`);
  }
}

async function compact(server: Connection, etcd: number): Promise<void> {
  const { body } = await ask(server, 'GET', '/api/v1/namespaces/default/configmaps');
  const { resourceVersion } = (JSON.parse(body) as { readonly metadata: { readonly resourceVersion: string } }).metadata;
  const answer = await fetch(`http://127.0.0.1:${etcd}/v3/kv/compaction`, {
    method: 'POST',
    body: JSON.stringify({ revision: resourceVersion, physical: true }),
  });
  if (!answer.ok) throw new Error(`etcd does not compact: ${await answer.text()}`);
}

function ask({ url, caPem, token }: Connection, method: string, path: string, content?: object): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const outgoing = request(url + path, { method, headers, ca: caPem, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.once('error', reject);
    outgoing.end(content === undefined ? undefined : JSON.stringify(content));
  });
}
