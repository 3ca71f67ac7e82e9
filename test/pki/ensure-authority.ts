// A worker process for file-backend.test.ts: says `ready`, and on the first line of its input claims the authority and prints the result.
// Usage: ensure-authority.ts <key store directory> <claim>
import { once } from 'node:events';
import { AuthorityStore } from '../../src/pki/authority-store';
import { FileBackend } from '../../src/pki/file-backend';

async function main(directory: string, claim: string): Promise<void> {
  const store = new AuthorityStore(new FileBackend(directory));
  process.stdout.write('ready\n');
  await once(process.stdin, 'data');
  process.stdin.destroy();
  process.stdout.write(JSON.stringify(await store.ensure({ fabric: 'demo', claim, run: claim, keyBits: 2048 })));
}

const [directory, claim] = process.argv.slice(2);
if (directory === undefined || claim === undefined) throw new Error('usage: ensure-authority.ts <directory> <claim>');
void main(directory, claim);
