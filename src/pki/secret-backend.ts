// The `kubernetes:` key store: one Secret a fabric, for many workers. The API server's resourceVersion does the compare-and-swap.
import { FabricError } from '../errors/fabric-error';
import { requireDnsLabel } from '../model/names';
import { RecordFormat, type AuthorityRecord, type WrittenRecord } from './authority-record';
import type { AuthorityBackend } from './authority-store';

/** What is written of a Secret; values of `data` are base64. */
export interface SecretContent {
  readonly data: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** Access to the Secrets of one cluster; `false`: another writer was first (409), or the Secret is gone (404). */
export interface SecretAccess {
  get(namespace: string, name: string): Promise<(SecretContent & { readonly resourceVersion: string }) | undefined>;
  create(namespace: string, name: string, content: SecretContent): Promise<boolean>;
  replace(namespace: string, name: string, content: SecretContent, resourceVersion: string): Promise<boolean>;
  remove(namespace: string, name: string, resourceVersion: string): Promise<boolean>;
}

const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
const FABRIC_LABEL = 'skyfabric.io/fabric';
const DATA_KEY = 'authority.json';

/** Keeps each authority in the Secret `skyfabric-authority-<fabric>`, under the key `authority.json`. */
export class SecretBackend implements AuthorityBackend {
  readonly description: string;

  /** @param format by default keys are written in plain. */
  constructor(
    private readonly secrets: SecretAccess,
    private readonly namespace: string,
    private readonly format = new RecordFormat(),
  ) {
    requireDnsLabel(namespace, 'namespace');
    this.description = `the Secrets of namespace ${namespace}`;
  }

  /** @throws FabricError `conflict` for a Secret that is not ours, `invalid` for a damaged one, `forbidden` for a wrong passphrase */
  async read(fabric: string): Promise<{ record: AuthorityRecord; version: string } | undefined> {
    const found = await this.standing(fabric);
    return found && { record: await this.format.parse(fabric, found.text, found.where), version: found.version };
  }

  /** @throws FabricError as {@link read}, but for the passphrase */
  async find(fabric: string): Promise<{ record: () => WrittenRecord; version: string } | undefined> {
    const found = await this.standing(fabric);
    return found && { record: () => this.format.parseUnopened(found.text, found.where), version: found.version };
  }

  private async standing(fabric: string): Promise<{ text: string; where: string; version: string } | undefined> {
    const name = secretName(fabric);
    const secret = await this.secrets.get(this.namespace, name);
    if (secret === undefined) return undefined;
    const where = `Secret ${this.namespace}/${name}`;
    if (secret.labels[MANAGED_BY_LABEL] !== 'skyfabric' || secret.labels[FABRIC_LABEL] !== fabric) {
      throw new FabricError({
        code: 'conflict',
        message: `${where} exists and does not carry the labels of fabric ${fabric}`,
        hint: 'Choose another namespace for the key store, or remove the Secret if nobody needs it.',
        object: where,
      });
    }
    const text = Buffer.from(secret.data[DATA_KEY] ?? '', 'base64').toString('utf8');
    return { text, where, version: secret.resourceVersion };
  }

  async write(fabric: string, record: WrittenRecord, version: string | undefined): Promise<boolean> {
    const name = secretName(fabric);
    const content = {
      data: { [DATA_KEY]: Buffer.from(await this.format.format(fabric, record)).toString('base64') },
      labels: { [MANAGED_BY_LABEL]: 'skyfabric', [FABRIC_LABEL]: fabric },
    };
    if (version === undefined) return this.secrets.create(this.namespace, name, content);
    return this.secrets.replace(this.namespace, name, content, version);
  }

  async remove(fabric: string, version: string): Promise<boolean> {
    return this.secrets.remove(this.namespace, secretName(fabric), version);
  }
}

function secretName(fabric: string): string {
  return `skyfabric-authority-${requireDnsLabel(fabric, 'fabric')}`;
}
