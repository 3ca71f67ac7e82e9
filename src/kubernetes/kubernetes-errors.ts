// Turns what an API server, a connection or a credential plugin answers into a FabricError.
// The details that callers branch on (a conflict, a missing kind) travel as the error's cause, an ApiStatus.
import type { ErrorCode } from '../errors/fabric-error';
import { FabricError, isFabricError } from '../errors/fabric-error';
import { describeRef } from './kube-object';
import type { KindRef } from './resource-path';
import { resourceOf } from './resource-path';

/** The only group whose kinds come with CustomResourceDefinitions, so the only one whose kinds may be missing. */
const CUSTOM_GROUP = 'clusterlink.net';

const ROLE_MISSING = /^(cluster)?rolebindings\.rbac\.authorization\.k8s\.io "[^"]*" not found$/;

const MAX_MESSAGE_LENGTH = 400;
/** Longer waits are the caller's to decide. */
const MAX_RETRY_AFTER_SECONDS = 3_600;

/** How a 403 says that it is none of permissions; Kubernetes gives no cause with it. */
/** What is allowed by RBAC and refused all the same: quotas and admission policies. */
const POLICY_REFUSAL = /exceeded quota|admission webhook|ValidatingAdmissionPolicy|violates PodSecurity/;
const DEFINITION_GOING = /create not allowed while custom resource definition is terminating$/;

/** What the request was about: an object, or (without a name) a collection. */
export type Subject = KindRef & { readonly name?: string | undefined };

/** The server's own answer, kept as the cause of the FabricError made from it. */
class ApiStatus extends Error {
  override readonly name = 'ApiStatus';
  constructor(
    readonly httpStatus: number,
    /** Kubernetes' reason, such as `AlreadyExists`; empty when the answer was no Status object. */
    readonly reason: string,
    /** Whether the answer names the object it is about: the kind exists, then. */
    readonly namesObject: boolean,
    /** Whether the answer is Kubernetes' own way to say that it does not serve a custom kind. */
    readonly kindMissing: boolean,
    readonly roleMissing: boolean,
    readonly causes: readonly string[],
  ) {
    super(`HTTP ${httpStatus}${reason === '' ? '' : ` ${reason}`}`);
  }
}

/** What an API server answered to a refused request. */
export interface Refusal {
  readonly method: string;
  readonly about: Subject;
  /** `host:port` of the API server. */
  readonly server: string;
  readonly httpStatus: number;
  /** The answer's body: a Status object as JSON, or any text. */
  readonly text: string;
  /** The `Content-Type` header. */
  readonly contentType?: string | undefined;
  /** The `Retry-After` header, in seconds. */
  readonly retryAfter?: string | undefined;
}

/** The error for a request that the API server refused. Texts about Secrets are left out, because they may quote values. */
export function refusalError(refusal: Refusal): FabricError {
  const { about, server, httpStatus } = refusal;
  const body = parseStatus(refusal.text);
  const { causes } = body;
  const status = new ApiStatus(
    httpStatus,
    body.reason ?? '',
    body.name !== undefined,
    httpStatus === 404 && saysKindMissing(refusal, body),
    httpStatus === 404 && saysRoleMissing(refusal, body),
    causes.map((cause) => cause.reason ?? ''),
  );
  const subject = describeSubject(about);
  const fields = causes.map((cause) => cause.field).filter((field) => field !== undefined);
  const said = about.kind === 'Secret' ? [status.message, ...fields].join(', ') : cleanText(body.message ?? status.message);
  const seconds = Number(refusal.retryAfter ?? body.retryAfterSeconds);
  const fail = (code: ErrorCode, message: string, hint?: string): FabricError =>
    new FabricError({
      code,
      message,
      hint,
      object: subject,
      retryAfterMs:
        code === 'unavailable' && Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, MAX_RETRY_AFTER_SECONDS) * 1_000 : undefined,
      cause: status,
    });

  if (httpStatus >= 300 && httpStatus < 400) {
    return fail(
      'unavailable',
      `${server} answered for ${subject} with a redirect (HTTP ${httpStatus}). It is not followed: whoever is there would get the credentials.`,
      'Is there a proxy or a login page in front of the API server, or does the kubeconfig name another server?',
    );
  }
  if (httpStatus === 401 || httpStatus === 403) {
    if (status.causes.includes('NamespaceTerminating')) {
      return fail('pending', `${subject} must wait on ${server}: namespace ${about.namespace ?? ''} is being deleted.`);
    }
    if (DEFINITION_GOING.test(body.message ?? '')) {
      return fail('pending', `${subject} must wait on ${server}: the definition of its kind is being deleted.`);
    }
    if (httpStatus === 401) {
      return fail(
        'forbidden',
        `${server} does not accept the credentials of this kubeconfig context.`,
        'Renew the credentials, then see `skyfabric check`.',
      );
    }
    const { group, resource } = resourceOf(about);
    const where = about.namespace === undefined ? 'in the whole cluster' : `in namespace ${about.namespace}`;
    const what = group === '' ? resource : `${resource}.${group}`;
    return fail(
      'forbidden',
      `${server} forbids to ${verbOf(refusal)} ${what} ${where}: ${said}.`,
      POLICY_REFUSAL.test(body.message ?? '')
        ? "Permissions are not what is missing: change that policy, or have the cluster's administrators allow it."
        : 'See `skyfabric check` for all missing permissions.',
    );
  }
  if (httpStatus === 404) {
    if (isResourceMissing(status)) {
      return fail(
        'not_found',
        `${server} does not know the kind ${about.kind} (${about.apiVersion}).`,
        'Install its CustomResourceDefinition: `skyfabric bootstrap` does.',
      );
    }
    if (isRoleMissing(status)) return fail('pending', `${subject} must wait on ${server}: its role is not known there yet.`);
    if (isObjectMissing(status)) return fail('not_found', `${subject} is not on ${server}: ${said}.`);
    return fail(
      'unavailable',
      `${server} answered HTTP 404 for ${subject}, but not as a Kubernetes API server does: something else answered there.`,
      'Is there a proxy or load balancer in front of it, or does the kubeconfig name another server?',
    );
  }
  if (httpStatus === 409) {
    if (isConflict(status)) return fail('unavailable', `${subject} on ${server} was changed by somebody else meanwhile.`);
    return fail(
      'conflict',
      status.reason === 'AlreadyExists' ? `${subject} exists already on ${server}.` : `${subject} on ${server} conflicts: ${said}.`,
    );
  }
  if (httpStatus === 410) return fail('unavailable', `The list or watch of ${subject} on ${server} is too old: ${said}.`);
  if (httpStatus === 429 || httpStatus >= 500) return fail('unavailable', `${server} cannot serve ${subject} now: ${said}.`);
  if (httpStatus >= 400) return fail('invalid', `${server} refuses ${subject}: ${said}.`);
  return fail('internal', `${server} answered HTTP ${httpStatus} for ${subject}.`, 'Is this really a Kubernetes API server?');
}

/** The error for an answer that should have been a Kubernetes object and is not, such as the page of a proxy in between. */
export function garbledError(about: Subject, server: string): FabricError {
  return new FabricError({
    code: 'unavailable',
    message: `${server} answered for ${describeSubject(about)} with something that is not JSON of a Kubernetes object.`,
    hint: 'Is this really a Kubernetes API server, or a proxy in front of it?',
  });
}

/** The error inside a watch, where the server reports refusals (such as an expired version) as an event. */
export function watchError(about: Subject, server: string, object: unknown): FabricError {
  const code = (object as { readonly code?: unknown } | null)?.code;
  return refusalError({ method: 'WATCH', about, server, httpStatus: typeof code === 'number' ? code : 500, text: JSON.stringify(object) });
}

/** The error for a request that got no answer: names host and port and what failed. */
export function connectionError(server: string, cause: unknown): FabricError {
  const code = errorCode(cause);
  return new FabricError({
    code: 'unreachable',
    message: `${server} ${CONNECTION_FAILURES[code] ?? connectionFailure(code, cause)}.`,
    hint: TLS_FAILURE.test(code) ? 'Check certificate-authority and tls-server-name of this cluster in the kubeconfig.' : REACH_HINT,
    cause,
  });
}

/** The error for an API server that took the request and did not answer it. */
export function timeoutError(server: string, timeoutMs: number): FabricError {
  return new FabricError({ code: 'unreachable', message: `${server} did not answer within ${timeoutMs / 1_000} s.`, hint: REACH_HINT });
}

const REACH_HINT = 'Check that the cluster runs and that this machine can reach it.';

const CONNECTION_FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'reset the connection',
  EPIPE: 'closed the connection',
  ENOTFOUND: 'is not known to DNS',
  EAI_AGAIN: 'could not be looked up: DNS does not answer',
  EHOSTUNREACH: 'has no route to it',
  ENETUNREACH: 'has no route to it',
  ETIMEDOUT: 'did not answer in time',
  CERT_HAS_EXPIRED: 'shows an expired certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'shows a certificate for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'shows a certificate that the kubeconfig does not trust',
  SELF_SIGNED_CERT_IN_CHAIN: 'shows a certificate that the kubeconfig does not trust',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'shows a certificate that the kubeconfig does not trust',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'shows a certificate that the kubeconfig does not trust',
};

const TLS_FAILURE = /CERT|SSL|TLS|SIGNATURE|EPROTO/;

function connectionFailure(code: string, cause: unknown): string {
  const said = cleanText(cause instanceof Error ? cause.message : '') || code;
  return TLS_FAILURE.test(code) ? `failed the TLS handshake: ${said}` : `could not be asked: ${said}`;
}

function errorCode(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/**
 * The error for credentials that could not be had, or not within `timedOutMs`, which another try may mend.
 * Output of a credential plugin is never quoted: it may hold a token.
 */
export function credentialError(context: string, plugin: string | undefined, cause: unknown, timedOutMs?: number): FabricError {
  const code = errorCode(cause);
  const what = plugin === undefined ? 'its files' : `the credential plugin ${cleanText(plugin)}`;
  if (timedOutMs !== undefined) {
    return new FabricError({
      code: 'unreachable',
      message: `Context ${context} has no usable credentials: ${what} did not answer within ${timedOutMs / 1_000} s.`,
      hint: 'Run `kubectl --context ' + context + ' version` to see why: does it ask something, or wait for a network?',
    });
  }
  if (code === 'ENOENT' || code === 'EACCES') {
    const path = (cause as { readonly path?: unknown }).path;
    const where = typeof path === 'string' ? ` (${cleanText(path)})` : '';
    return new FabricError({
      code: 'invalid',
      message: `Context ${context} has no usable credentials: ${what} cannot be opened${where}: ${code}.`,
      hint: plugin === undefined ? 'Correct the paths in the kubeconfig.' : 'Install the plugin, or put it on the PATH of this process.',
    });
  }
  if (plugin !== undefined) {
    return new FabricError({
      code: 'forbidden',
      message: `Context ${context} has no usable credentials: ${what} failed.`,
      hint: 'Run `kubectl --context ' + context + ' version` to see why, and log in again.',
    });
  }
  return new FabricError({
    code: 'invalid',
    message: `Context ${context} has no usable credentials: ${cleanText(cause instanceof Error ? cause.message : '')}.`,
  });
}

/** Whether a write lost against another one under `resourceVersion`, or a delete's precondition failed: read again. */
export function isConflict(error: unknown): boolean {
  const status = statusOf(error);
  return status?.httpStatus === 409 && status.reason !== 'AlreadyExists' && !status.causes.includes('FieldManagerConflict');
}

/** Whether an object could not be created because it exists. */
export function isAlreadyExists(error: unknown): boolean {
  const status = statusOf(error);
  return status?.httpStatus === 409 && status.reason === 'AlreadyExists';
}

/** Whether a list or watch is too old to go on: list again. */
export function isExpired(error: unknown): boolean {
  return statusOf(error)?.httpStatus === 410;
}

/** Whether the object is missing, of a kind that the cluster knows. */
export function isObjectMissing(error: unknown): boolean {
  const status = statusOf(error);
  return status?.httpStatus === 404 && status.namesObject;
}

/**
 * Whether a role binding was refused because the server does not know its role: it never was, or was made so lately that the server's
 * authorizer has not heard of it. Asked only of who may not grant everything.
 */
export function isRoleMissing(error: unknown): boolean {
  return statusOf(error)?.roleMissing === true;
}

/** Whether the cluster does not know the kind at all: its CustomResourceDefinition is missing. */
export function isResourceMissing(error: unknown): boolean {
  return statusOf(error)?.kindMissing === true;
}

// A group without any definition is answered by Go's own not-found handler, a kind missing in a served group by a Status.
function saysKindMissing({ about, text, contentType = '' }: Refusal, body: StatusBody): boolean {
  if (!about.apiVersion.startsWith(`${CUSTOM_GROUP}/`)) return false;
  if (body.reason === 'NotFound') return body.name === undefined;
  return contentType.startsWith('text/plain') && text.trim() === '404 page not found';
}

function statusOf(error: unknown): ApiStatus | undefined {
  if (error instanceof ApiStatus) return error;
  return isFabricError(error) && error.cause instanceof ApiStatus ? error.cause : undefined;
}

/** An object or collection as messages name it. */
export function describeSubject(about: Subject): string {
  if (about.name !== undefined) return describeRef({ ...about, name: about.name });
  return about.namespace === undefined ? `${about.kind} list` : `${about.kind} list of namespace ${about.namespace}`;
}

/** Text from outside made fit for a message: no control characters or hidden marks, no line ends, bounded, no full stop at its end. */
export function cleanText(text: string): string {
  const line = text
    .slice(0, 4 * MAX_MESSAGE_LENGTH)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/[\s.]+$/, '')
    .trimStart();
  return line.length > MAX_MESSAGE_LENGTH ? `${line.slice(0, MAX_MESSAGE_LENGTH)}…` : line;
}

/** Writing a binding never fails for want of that binding, but the answer calls the missing role by that kind. */
function saysRoleMissing({ method }: Refusal, { message = '' }: StatusBody): boolean {
  return ['POST', 'PUT', 'PATCH'].includes(method) && ROLE_MISSING.test(message);
}

const VERBS: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete', WATCH: 'watch' };

function verbOf({ method, about }: Refusal): string {
  return VERBS[method] ?? (about.name === undefined ? 'list' : 'get');
}

/** What is used of a Status object, each member only if it has its proper type. */
interface StatusBody {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  /** The name of the object it is about. */
  readonly name?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly causes: readonly { readonly reason: string | undefined; readonly field: string | undefined }[];
}

function parseStatus(text: string): StatusBody {
  let body: Members = {};
  try {
    body = membersOf(JSON.parse(text));
  } catch {
    // Not JSON: a proxy's page or "404 page not found". The HTTP status says enough.
  }
  if (body['kind'] !== 'Status') return { causes: [] };
  const details = membersOf(body['details']);
  const seconds = details['retryAfterSeconds'];
  const causes: readonly unknown[] = Array.isArray(details['causes']) ? details['causes'] : [];
  return {
    reason: wordOf(body['reason']),
    message: stringOf(body['message']),
    name: stringOf(details['name']),
    retryAfterSeconds: typeof seconds === 'number' ? seconds : undefined,
    causes: causes.map(membersOf).map(({ reason, field }) => ({ reason: wordOf(reason), field: wordOf(field) })),
  };
}

type Members = Readonly<Record<string, unknown>>;

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null ? (value as Members) : {};
}

/** A reason or the path of a field. */
function wordOf(value: unknown): string | undefined {
  return typeof value === 'string' ? cleanText(value) : undefined;
}

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
