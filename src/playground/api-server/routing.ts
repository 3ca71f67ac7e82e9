// Reads a request line the way kube-apiserver does: which verb, on which resource, of which group, in which namespace.

/** One request, as faults match it and as tests record it. */
export interface ApiRequest {
  /** The simulated cluster's name. */
  readonly server: string;
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`; the method in lower case for paths that are no resource. */
  readonly verb: string;
  readonly userAgent: string;
  /** Group, version and plural name; absent for paths that are no resource, such as `/version`. */
  readonly group?: string;
  readonly version?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  /** From the path, and for a create from the body. */
  readonly name?: string;
}

/** A path's meaning, without the request's circumstances. */
export type Route = Pick<ApiRequest, 'verb' | 'group' | 'version' | 'resource' | 'subresource' | 'namespace' | 'name'>;

const NAMESPACE_SUBRESOURCES = ['status', 'finalize'];

/** Splits `/api/v1/…` and `/apis/<group>/<version>/…` paths; any other path has only a verb. */
export function parseRoute(method: string, url: URL): Route {
  const segments = url.pathname
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodeSegment);
  const isCore = segments[0] === 'api';
  const [group, version, ...rest] = isCore ? ['', ...segments.slice(1)] : segments.slice(1);
  if ((!isCore && segments[0] !== 'apis') || group === undefined || version === undefined || rest.length === 0) {
    return { verb: method.toLowerCase() };
  }
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2 && !(rest.length === 3 && NAMESPACE_SUBRESOURCES.includes(rest[2] ?? ''));
  const [resource, name, ...deeper] = inNamespace ? rest.slice(2) : rest;
  const namespace = inNamespace ? rest[1] : resource === 'namespaces' ? name : undefined;
  return {
    verb: verbOf(method, name !== undefined, url.searchParams),
    group,
    version,
    ...(resource === undefined ? {} : { resource }),
    ...(deeper.length === 0 ? {} : { subresource: deeper.join('/') }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  };
}

function verbOf(method: string, named: boolean, query: URLSearchParams): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      return isTrue(query.get('watch')) ? 'watch' : named ? 'get' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return named ? 'delete' : 'deletecollection';
    default:
      return method.toLowerCase();
  }
}

/** Go's reading of a boolean query parameter: anything but absent, `false` and `0` is true. */
export function isTrue(parameter: string | null): boolean {
  return parameter !== null && parameter !== 'false' && parameter !== '0';
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
