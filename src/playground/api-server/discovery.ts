// What the server says about itself: version, health, and which groups and resources it has.

import type { JsonObject } from './object';
import { apiVersionOf, type ResourceCatalog, type ResourceType } from './resources';

/** The simulated Kubernetes version; the build suffix says that it is simulated. */
const VERSION = { major: '1', minor: '32', gitVersion: 'v1.32.0+simulated' } as const;

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** The answer to a GET of a path that is no resource: JSON, text, or `undefined` for 404. */
export function discover(catalog: ResourceCatalog, path: string): JsonObject | string | undefined {
  const [root, group, version, ...rest] = path.split('/').filter((segment) => segment !== '');
  switch (root ?? '') {
    case 'version':
      return {
        ...VERSION,
        gitCommit: '',
        gitTreeState: 'clean',
        buildDate: '1970-01-01T00:00:00Z',
        goVersion: 'none',
        compiler: 'none',
        platform: 'simulated',
      };
    case 'livez':
    case 'readyz':
    case 'healthz':
      return 'ok';
    case 'api':
      if (group === undefined) return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
      return group === 'v1' && version === undefined ? resourceList(catalog, '', 'v1') : undefined;
    case 'apis':
      if (group === undefined) return { kind: 'APIGroupList', apiVersion: 'v1', groups: groupsOf(catalog) };
      if (version === undefined) return groupOf(catalog, group);
      return rest.length === 0 ? resourceList(catalog, group, version) : undefined;
    default:
      return undefined;
  }
}

function groupsOf(catalog: ResourceCatalog): JsonObject[] {
  const groups = [...new Set(catalog.all().map((type) => type.group))].filter((group) => group !== '');
  return groups.map((group) => {
    const versions = [
      ...new Set(
        catalog
          .all()
          .filter((type) => type.group === group)
          .map((type) => type.version),
      ),
    ];
    const entries = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
    return { name: group, versions: entries, preferredVersion: entries[0] };
  });
}

function groupOf(catalog: ResourceCatalog, name: string): JsonObject | undefined {
  const group = groupsOf(catalog).find((candidate) => candidate['name'] === name);
  return group === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...group };
}

function resourceList(catalog: ResourceCatalog, group: string, version: string): JsonObject | undefined {
  const types = catalog.all().filter((type) => type.group === group && type.version === version);
  const [first] = types;
  if (first === undefined) return undefined;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf(first), resources: types.flatMap(describe) };
}

function describe(type: ResourceType): JsonObject[] {
  const { namespaced, kind } = type;
  const resource = {
    name: type.plural,
    singularName: type.singular,
    namespaced,
    kind,
    verbs: type.reviewOnly ? ['create'] : VERBS,
    ...(type.shortNames.length > 0 ? { shortNames: type.shortNames } : {}),
    ...(type.categories.length > 0 ? { categories: type.categories } : {}),
  };
  const subresource = (name: string, verbs: string[]): JsonObject => ({
    name: `${type.plural}/${name}`,
    singularName: '',
    namespaced,
    kind,
    verbs,
  });
  return [
    resource,
    ...(type.status ? [subresource('status', ['get', 'patch', 'update'])] : []),
    ...(type.group === '' && type.plural === 'pods' ? [subresource('log', ['get'])] : []),
  ];
}
