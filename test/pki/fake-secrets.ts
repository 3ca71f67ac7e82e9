// The Secrets of a cluster in memory, with the API server's optimistic concurrency.
import type { SecretAccess, SecretContent } from '../../src/pki/secret-backend';

type Secret = SecretContent & { readonly resourceVersion: string };

/** Answers each call a turn of the event loop later, as a server would. */
export class FakeSecrets implements SecretAccess {
  readonly secrets = new Map<string, Secret>();
  private resourceVersion = 0;

  async get(namespace: string, name: string): Promise<Secret | undefined> {
    await nextTurn();
    return this.secrets.get(`${namespace}/${name}`);
  }

  async create(namespace: string, name: string, content: SecretContent): Promise<boolean> {
    await nextTurn();
    if (this.secrets.has(`${namespace}/${name}`)) return false;
    return this.put(`${namespace}/${name}`, content);
  }

  async replace(namespace: string, name: string, content: SecretContent, resourceVersion: string): Promise<boolean> {
    await nextTurn();
    if (this.secrets.get(`${namespace}/${name}`)?.resourceVersion !== resourceVersion) return false;
    return this.put(`${namespace}/${name}`, content);
  }

  async remove(namespace: string, name: string, resourceVersion: string): Promise<boolean> {
    await nextTurn();
    if (this.secrets.get(`${namespace}/${name}`)?.resourceVersion !== resourceVersion) return false;
    return this.secrets.delete(`${namespace}/${name}`);
  }

  private put(key: string, content: SecretContent): boolean {
    this.resourceVersion += 1;
    this.secrets.set(key, { ...content, resourceVersion: String(this.resourceVersion) });
    return true;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
