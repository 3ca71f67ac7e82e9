// The fabric authority: made with its first claim, gone with its last, and the only signer of peer certificates. Its key stays
// in the key store of the worker that listens on the fabric's task queue.
import type { Steps } from '../src/contract/activities';
import { FabricError } from '../src/errors/fabric-error';
import { inspectCertificate } from '../src/pki/certificate-facts';
import { signPeerRequest } from '../src/pki/certificate';
import { mayWrite } from '../src/kubernetes/write-guard';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';

/** `ensureAuthority`, `signPeerCertificate`, `releaseAuthority`. @throws as AuthorityStore and signPeerRequest say */
export function authorityActivities({
  authorities,
}: ActivityDeps): Pick<Steps, 'ensureAuthority' | 'signPeerCertificate' | 'releaseAuthority'> {
  return {
    async ensureAuthority({ claimant, certificates }) {
      const { certificatePem, created, changed } = await authorities.ensure({
        fabric: claimant.fabric,
        claim: claimant.id,
        run: claimant.run,
        keyBits: certificates.authorityKeyBits,
        lifetimeDays: certificates.authorityDays,
        mayWrite: () => mayWrite(signal()),
      });
      const { fingerprint256, notAfter } = inspectCertificate(certificatePem);
      if (notAfter <= new Date().toISOString()) {
        throw new FabricError({
          code: 'invalid',
          message: `The authority of fabric ${claimant.fabric} ended on ${notAfter}.`,
          hint: 'Tear the fabric down and bootstrap it again: nothing signed by this authority is accepted any more.',
        });
      }
      return { changed, note: created ? 'created' : 'kept', certificatePem, created, fingerprint: fingerprint256, notAfter };
    },

    async signPeerCertificate({ fabric, peer, requestPem, certificates }) {
      const authority = await authorities.load(fabric);
      signal().throwIfAborted();
      return signPeerRequest({
        authority,
        requestPem,
        allowed: { peer, minKeyBits: certificates.keyBits },
        lifetimeDays: certificates.days,
      });
    },

    async releaseAuthority({ claimant, scope }) {
      const { changed, removed } = await authorities.release({
        fabric: claimant.fabric,
        ...(scope === 'all' ? {} : { claim: claimant.id }),
        ...(scope === 'run' ? { run: claimant.run } : {}),
        mayWrite: () => mayWrite(signal()),
      });
      return { changed, note: removed ? 'removed' : changed ? 'claim taken back' : 'not claimed by this run' };
    },
  };
}
