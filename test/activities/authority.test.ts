import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { authorityActivities } from '../../activities/authority';
import type { ActivityDeps } from '../../activities/deps';
import type { Steps } from '../../src/contract/activities';
import { certificateOptions } from '../../src/model/gateway';
import { AuthorityStore } from '../../src/pki/authority-store';
import { createPeerRequest } from '../../src/pki/certificate';
import { FileBackend } from '../../src/pki/file-backend';

type AuthoritySteps = Pick<Steps, 'ensureAuthority' | 'signPeerCertificate' | 'releaseAuthority'>;

const directory = mkdtempSync(join(tmpdir(), 'skyfabric-authority-'));
const steps: AuthoritySteps = authorityActivities({
  authorities: new AuthorityStore(new FileBackend(join(directory, 'keys'))),
} as ActivityDeps);
const certificates = certificateOptions.parse({ authorityKeyBits: 2048 });
const ONE = { fabric: 'blue', id: 'bootstrap-one', by: 'bootstrap/one', run: 'run-1' };
const TWO = { fabric: 'blue', id: 'bootstrap-two', by: 'bootstrap/two', run: 'run-2' };

afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function run<Name extends keyof AuthoritySteps>(
  name: Name,
  input: Parameters<AuthoritySteps[Name]>[0],
): Promise<Awaited<ReturnType<AuthoritySteps[Name]>>> {
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  const result: unknown = await environment.run(steps[name] as (given: unknown) => Promise<unknown>, input);
  return result as Awaited<ReturnType<AuthoritySteps[Name]>>;
}

test('the authority comes with its first claim, signs for the named peer only, and goes with its last', async () => {
  const first = await run('ensureAuthority', { claimant: ONE, certificates });
  expect(first).toMatchObject({ changed: true, created: true });
  expect(await run('ensureAuthority', { claimant: TWO, certificates })).toMatchObject({
    changed: true,
    created: false,
    fingerprint: first.fingerprint,
  });
  expect(await run('ensureAuthority', { claimant: { ...TWO, run: 'run-3' }, certificates })).toMatchObject({
    changed: false,
    created: false,
  });

  const { requestPem } = await createPeerRequest({ peer: 'west' });
  const { certificatePem } = await run('signPeerCertificate', { fabric: 'blue', peer: 'west', requestPem, certificates });
  expect(new X509Certificate(certificatePem).subjectAltName).toBe('DNS:west');
  await expect(run('signPeerCertificate', { fabric: 'blue', peer: 'south', requestPem, certificates })).rejects.toMatchObject({
    code: 'invalid',
  });
  expect(JSON.stringify([first, certificatePem])).not.toContain('PRIVATE');

  expect(await run('releaseAuthority', { claimant: { ...ONE, run: 'run-9' }, scope: 'run' })).toEqual({
    changed: false,
    note: 'not claimed by this run',
  });
  expect(await run('releaseAuthority', { claimant: ONE, scope: 'run' })).toEqual({ changed: true, note: 'claim taken back' });
  expect(await run('releaseAuthority', { claimant: TWO, scope: 'claim' })).toEqual({ changed: true, note: 'removed' });
  await expect(run('signPeerCertificate', { fabric: 'blue', peer: 'west', requestPem, certificates })).rejects.toMatchObject({
    code: 'not_found',
  });

  await run('ensureAuthority', { claimant: ONE, certificates });
  await run('ensureAuthority', { claimant: TWO, certificates });
  expect(await run('releaseAuthority', { claimant: ONE, scope: 'all' })).toEqual({ changed: true, note: 'removed' });
});
