// The API's own errors: `Status` bodies with kube-apiserver's codes, reasons and wording.
// They are answers on the wire and never leave this folder as exceptions.

import type { JsonObject } from './object';

/** One problem of an object, as `details.causes` lists it. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** A resource's group and plural name, as messages call it. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

/** An answer other than success; thrown anywhere while a request is handled and sent by handler.ts. */
export class StatusError extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
    readonly details: JsonObject = {},
  ) {
    super(message);
  }

  /** The response body. */
  toStatus(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      details: this.details,
      code: this.code,
    };
  }
}

function qualified({ group, plural }: ResourceName): string {
  return group === '' ? plural : `${plural}.${group}`;
}

function detailsOf({ group, plural }: ResourceName, name: string): JsonObject {
  return { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: plural };
}

export const badRequest = (message: string): StatusError => new StatusError(400, 'BadRequest', message);

export const unauthorized = (): StatusError => new StatusError(401, 'Unauthorized', 'Unauthorized');

/** 403; `causes` only where the real server gives some. */
export function forbidden(type: ResourceName, name: string, why: string, causes?: readonly StatusCause[]): StatusError {
  const subject = name === '' ? qualified(type) : `${qualified(type)} "${name}"`;
  return new StatusError(403, 'Forbidden', `${subject} is forbidden: ${why}`, { ...detailsOf(type, name), ...(causes ? { causes } : {}) });
}

export const notFound = (type: ResourceName, name: string): StatusError =>
  new StatusError(404, 'NotFound', `${qualified(type)} "${name}" not found`, detailsOf(type, name));

/** 404 for a resource, verb or subresource that a served group does not have. */
export const noSuchResource = (): StatusError => new StatusError(404, 'NotFound', 'the server could not find the requested resource');

export const methodNotAllowed = (): StatusError =>
  new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource');

export const alreadyExists = (type: ResourceName, name: string): StatusError =>
  new StatusError(409, 'AlreadyExists', `${qualified(type)} "${name}" already exists`, detailsOf(type, name));

/** 409; by default for a stale resourceVersion. */
export function conflict(
  type: ResourceName,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): StatusError {
  return new StatusError(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(type)} "${name}": ${why}`, detailsOf(type, name));
}

/** 410: the resourceVersion or continue token lies too far back. */
export const expired = (message: string): StatusError => new StatusError(410, 'Expired', message);

export const tooLarge = (limit: number): StatusError =>
  new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`);

export const unsupportedMediaType = (accepted: readonly string[]): StatusError =>
  new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );

/** 422 with every problem of the object. */
export function invalid(
  type: { readonly group: string; readonly kind: string },
  name: string,
  causes: readonly StatusCause[],
): StatusError {
  const kind = type.group === '' ? type.kind : `${type.kind}.${type.group}`;
  const problems = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const list = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`;
  return new StatusError(422, 'Invalid', `${kind} "${name}" is invalid: ${list}`, {
    name,
    ...(type.group === '' ? {} : { group: type.group }),
    kind: type.kind,
    causes,
  });
}

export const internalError = (why: string): StatusError =>
  new StatusError(500, 'InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why }] });

const shown = (value: unknown): string => JSON.stringify(value ?? null);

export const required = (field: string, why = ''): StatusCause => ({
  reason: 'FieldValueRequired',
  message: why === '' ? 'Required value' : `Required value: ${why}`,
  field,
});

export const invalidValue = (field: string, value: unknown, why: string): StatusCause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${shown(value)}: ${why}`,
  field,
});

export const unsupportedValue = (field: string, value: unknown, supported: readonly unknown[]): StatusCause => ({
  reason: 'FieldValueNotSupported',
  message: `Unsupported value: ${shown(value)}: supported values: ${supported.map(shown).join(', ')}`,
  field,
});

export const duplicateValue = (field: string, value: unknown): StatusCause => ({
  reason: 'FieldValueDuplicate',
  message: `Duplicate value: ${shown(value)}`,
  field,
});

export const notFoundValue = (field: string, value: unknown): StatusCause => ({
  reason: 'FieldValueNotFound',
  message: `Not found: ${shown(value)}`,
  field,
});

export const forbiddenValue = (field: string, why: string): StatusCause => ({
  reason: 'FieldValueForbidden',
  message: `Forbidden: ${why}`,
  field,
});

export const tooLong = (field: string, limit: number): StatusCause => ({
  reason: 'FieldValueTooLong',
  message: `Too long: may not be more than ${limit} bytes`,
  field,
});
