// Reads `--allow`: which workloads may call a connected service.
import type { Problems } from './problems';

/**
 * Reads selectors, of which all must match: `namespace=NAME`, `service-account=NAME`, labels `KEY=VALUE`; or `all`.
 * @returns the part of the request's `access` that they set
 */
export function readAllow(selectors: readonly string[], problems: Problems): Record<string, unknown> {
  if (selectors.includes('all')) {
    if (selectors.some((selector) => selector !== 'all')) problems.add('--allow all: admits everybody, so nothing else can be asked for');
    return { mode: 'allow-all' };
  }
  const clients: Record<string, unknown> = {};
  for (const selector of selectors) {
    const [, key, value] = /^([A-Za-z0-9][^=]*)=(.*)$/s.exec(selector) ?? [];
    if (key === undefined || value === undefined)
      problems.add(`--allow ${JSON.stringify(selector)}: must be namespace=NAME, service-account=NAME, a label KEY=VALUE, or all`);
    else if (key === 'namespace' || key === 'service-account')
      setOnce(clients, key === 'namespace' ? 'namespace' : 'serviceAccount', value, key, problems);
    else setOnce((clients['labels'] ??= {}) as Record<string, unknown>, key, value, key, problems);
  }
  return Object.keys(clients).length > 0 ? { clients } : {};
}

function setOnce(target: Record<string, unknown>, key: string, value: string, name: string, problems: Problems): void {
  if (Object.hasOwn(target, key) && target[key] !== value) problems.add(`--allow ${name}=…: is given twice, and no workload matches both`);
  target[key] = value;
}
