// Whether a request's body fits the URL that it was sent to, before anything is done with it.

import { objectAt, textAt, type JsonObject } from './object';
import { apiVersionOf, type ResourceType } from './resources';
import { badRequest } from './status';
import { checkMetadataTypes } from './validation';

/** Refuses a body of another kind or version, and metadata that could not be decoded. */
export function checkBody(type: ResourceType, body: JsonObject): void {
  const apiVersion = textAt(body, 'apiVersion');
  const kind = textAt(body, 'kind');
  if (type.schema !== undefined && kind === '') throw badRequest("Object 'Kind' is missing in the request body");
  if (apiVersion !== '' && apiVersion !== apiVersionOf(type)) {
    throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${apiVersionOf(type)})`);
  }
  if (kind !== '' && kind !== type.kind) {
    throw badRequest(
      `${kind} in version "${type.version}" cannot be handled as a ${type.kind}: the kind in the data does not match the expected kind`,
    );
  }
  checkMetadataTypes(type, body);
}

/** Refuses a body that names another object than the URL. */
export function checkIdentity(type: ResourceType, namespace: string | undefined, name: string, body: JsonObject): void {
  const given = objectAt(body, 'metadata');
  if (textAt(given, 'name') === '')
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  if (textAt(given, 'name') !== name)
    throw badRequest(`the name of the object (${textAt(given, 'name')}) does not match the name on the URL (${name})`);
  if (type.namespaced && !['', namespace].includes(textAt(given, 'namespace'))) {
    throw badRequest(
      `the namespace of the object (${textAt(given, 'namespace')}) does not match the namespace on the request (${namespace ?? ''})`,
    );
  }
}
