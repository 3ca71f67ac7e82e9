// A worker that issues certificates goes on answering queries and heartbeats: nothing in src/pki holds up its event loop.
import { existsSync, readFileSync } from 'node:fs';
import { createFabricAuthority, createPeerRequest, createSiteCertificates, signPeerRequest } from '../../src/pki/certificate';
import { findPeerCertificateProblem, findSiteCertificateProblem } from '../../src/pki/certificate-facts';

const LONGEST_BLOCK_MS = 20;
/** Begins with the nanoseconds that the reading thread itself has run: a busy machine, and the thread pool, do not count. */
const THREAD_TIME = '/proc/thread-self/schedstat';

/** The longest time that this thread computed between two turns of the event loop while the work went on. */
async function longestBlockMs(work: () => Promise<void>): Promise<number> {
  const threadMs = (): number => Number(readFileSync(THREAD_TIME, 'utf8').split(' ')[0]) / 1e6;
  let longest = 0;
  let last = threadMs();
  const note = (): void => {
    const now = threadMs();
    longest = Math.max(longest, now - last);
    last = now;
  };
  let turn: NodeJS.Immediate;
  const takeTurns = (): void => {
    note();
    turn = setImmediate(takeTurns);
  };
  turn = setImmediate(takeTurns);
  try {
    await work();
  } finally {
    clearImmediate(turn);
  }
  note();
  return longest;
}

// Only Linux tells how long one thread has run.
(existsSync(THREAD_TIME) ? test : test.skip)(
  'issuing and judging certificates never blocks the event loop for 20 ms',
  async () => {
    const work = async (): Promise<void> => {
      const authority = await createFabricAuthority({ fabric: 'demo', keyBits: 2048 });
      const { requestPem, keyPem } = await createPeerRequest({ peer: 'west' });
      const { certificatePem } = await signPeerRequest({ authority, requestPem, allowed: { peer: 'west', minKeyBits: 2048 } });
      const peer = findPeerCertificateProblem({
        certificatePem,
        keyPem,
        authorityPem: authority.certificatePem,
        peer: 'west',
        renewBeforeDays: 30,
      });
      const site = findSiteCertificateProblem({ ...(await createSiteCertificates()), renewBeforeDays: 30 });
      expect([peer, site]).toEqual([undefined, undefined]);
    };
    // A garbage collection may fall into one round; what blocks by itself (node-forge's RSA: 250 ms) blocks in every one.
    let shortest = Infinity;
    for (let round = 0; round < 10 && shortest >= LONGEST_BLOCK_MS; round += 1) shortest = Math.min(shortest, await longestBlockMs(work));
    expect(shortest).toBeGreaterThan(0);
    expect(shortest).toBeLessThan(LONGEST_BLOCK_MS);
  },
  120_000,
);
