// Activities that only remember: every call in order, with answers that can be made to fail or hang, one activity at a time.
import { ApplicationFailure, Context } from '@temporalio/activity';
import { applyChange, emptyRegister, type Register } from '../../src/contract/register';
import type { Activities, Steps } from '../../src/contract/activities';

type Call = { readonly name: keyof Steps; readonly peer: string | undefined; readonly input: Record<string, unknown> };
type Answers = { [Name in keyof Steps]: (input: never) => Awaited<ReturnType<Steps[Name]>> };

export interface FakeActivities {
  readonly activities: Activities;
  readonly calls: Call[];
  /** Makes a call of this activity (on this peer) fail; `times` calls, all by default. */
  fail(name: keyof Steps, options?: { peer?: string; code?: string; retryable?: boolean; times?: number }): void;
  /** Makes a call hang until it is cancelled. */
  hang(name: keyof Steps, peer?: string): Promise<void>;
  answer<Name extends keyof Steps>(name: Name, give: (input: Parameters<Steps[Name]>[0]) => Awaited<ReturnType<Steps[Name]>>): void;
  register(): Register | undefined;
  /** `peer:activity` of every call, in order. */
  log(): string[];
}

const ENDPOINT = { host: '127.0.0.1', port: 8443 };
const CERTIFICATE = { fingerprint: 'AA:BB', notAfter: '2036-01-01T00:00:00.000Z' };

export function fakeActivities(): FakeActivities {
  const calls: Call[] = [];
  const failures: { name: keyof Steps; peer: string | undefined; code: string; retryable: boolean; left: number }[] = [];
  const hangs: { name: keyof Steps; peer: string | undefined; began: () => void }[] = [];
  let register: Register | undefined;
  const done = { changed: true };
  const answers: Answers = {
    installBinary: () => ({ ...done, path: '/releases/clusterlink', sha256: '00' }),
    ensureAuthority: () => ({ ...done, ...CERTIFICATE, certificatePem: 'PEM', created: true }),
    signPeerCertificate: () => ({ certificatePem: 'PEM' }),
    releaseAuthority: () => done,
    preflight: ({ peer }: Parameters<Steps['preflight']>[0]) => ({ clusterUid: `uid-${peer.name}`, version: 'v1.34.0', findings: [] }),
    takeInventory: () => ({ entries: [] }),
    prepareGateway: () => ({ ...done, requestPem: 'REQUEST' }),
    deployGateway: () => ({ ...done, certificate: CERTIFICATE }),
    awaitGateway: () => ({ changed: false, endpoint: ENDPOINT }),
    settleGateway: () => done,
    releaseGateway: () => done,
    ensurePeerings: () => done,
    awaitPeerings: () => ({ changed: false }),
    releasePeerings: ({ selection }: Parameters<Steps['releasePeerings']>[0]) => ({ ...done, gone: selection.remotes ?? [] }),
    ensureExport: () => done,
    ensureImport: () => done,
    tryImport: () => done,
    ensureAccess: () => done,
    verifyConnection: ({ peer }: Parameters<Steps['verifyConnection']>[0]) => ({
      peer: peer.name,
      verified: 'probe',
      attempts: 3,
      bytes: 3,
      address: 'echo.demo.svc:80',
    }),
    removeProbe: () => done,
    ensureEcho: () => done,
    removeEcho: () => done,
    measureLink: () => ({ changed: false, latencyMs: 4.2, bytesPerSecond: 100 * 1_048_576, bytes: 1_048_576 }),
    releaseImports: () => done,
    releaseExports: () => done,
    observeClaims: () => ({ claims: [], objects: [] }),
    restoreObjects: () => done,
    oweCleanup: () => done,
    awaitSettled: () => ({ changed: false }),
    forgetOwed: () => done,
    listClaims: () => ({ holders: [] }),
    judgeRuns: ({ runs }: Parameters<Steps['judgeRuns']>[0]) => ({ states: runs.map(() => 'done' as const) }),
    readRegister: () => (register === undefined ? {} : { register }),
    recordChange: ({ fabric, change }: Parameters<Steps['recordChange']>[0]) => {
      register = applyChange(register ?? emptyRegister(fabric), change);
      return done;
    },
  };

  const activities = Object.fromEntries(
    (Object.keys(answers) as (keyof Steps)[]).map((name) => [
      name,
      async (input: Record<string, unknown>) => {
        const peer = (input['peer'] as { name?: string } | undefined)?.name;
        calls.push({ name, peer, input });
        const concerns = (rule: { name: keyof Steps; peer: string | undefined }): boolean =>
          rule.name === name && (rule.peer === undefined || rule.peer === peer);
        const hang = hangs.find(concerns);
        if (hang !== undefined) {
          hang.began();
          const beat = setInterval(() => Context.current().heartbeat(), 50);
          await Context.current().cancelled.finally(() => clearInterval(beat));
        }
        const failure = failures.find((rule) => concerns(rule) && rule.left > 0);
        if (failure !== undefined) {
          failure.left -= 1;
          throw ApplicationFailure.create({
            type: failure.code,
            message: `${name} failed`,
            nonRetryable: !failure.retryable,
            details: [{ hint: 'try again', attempts: Context.current().info.attempt }],
          });
        }
        return { value: answers[name](input as never), attempts: Context.current().info.attempt };
      },
    ]),
  ) as unknown as Activities;

  return {
    activities,
    calls,
    fail: (name, { peer, code = 'internal', retryable = false, times = Infinity } = {}) =>
      void failures.push({ name, peer, code, retryable, left: times }),
    hang: (name, peer) => new Promise((resolve) => hangs.push({ name, peer, began: resolve })),
    answer: (name, give) => void Object.assign(answers, { [name]: give }),
    register: () => register,
    log: () => calls.map(({ name, peer }) => (peer === undefined ? name : `${peer}:${name}`)),
  };
}
