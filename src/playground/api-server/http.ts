// Bodies in, answers out: media types, sizes, decoding.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { parse } from 'yaml';
import { isObject, type JsonObject } from './object';
import { badRequest, internalError, StatusError, tooLarge, unsupportedMediaType } from './status';

const BODY_LIMIT_BYTES = 3 * 1024 * 1024;

/** A complete answer: JSON, or plain text. */
export interface Answer {
  readonly code: number;
  readonly body: JsonObject | string;
}

/** The whole body. @throws StatusError 413 beyond 3 MiB */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= BODY_LIMIT_BYTES) chunks.push(chunk);
  }
  if (size > BODY_LIMIT_BYTES) throw tooLarge(BODY_LIMIT_BYTES);
  return Buffer.concat(chunks).toString('utf8');
}

/** The body's media type without its parameters. */
export function contentType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
}

/** The object that a POST or PUT carries. @throws StatusError 415, 400 */
export function parseBody(request: IncomingMessage, text: string): JsonObject {
  const type = contentType(request);
  if (!['', 'application/json', 'application/yaml'].includes(type)) throw unsupportedMediaType(['application/json', 'application/yaml']);
  return parseObject(text);
}

/** Any JSON, for patches. @throws StatusError 400 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`error decoding patch: ${error instanceof Error ? error.message : 'not JSON'}`);
  }
}

/** JSON, or YAML, which contains it but takes longer to read. */
function decode(text: string): unknown {
  return /^\s*[{[]/.test(text) ? JSON.parse(text) : parse(text);
}

/** JSON or YAML; `undefined` for what is neither. */
export function tryDecode(text: string): unknown {
  try {
    return decode(text);
  } catch {
    return undefined;
  }
}

/** An object in JSON or YAML. @throws StatusError 400 */
export function parseObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = decode(text);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : 'not JSON'}`);
  }
  if (!isObject(value)) throw badRequest("couldn't get version/kind; json parse error: json: cannot unmarshal into an object");
  return value;
}

/** The answer that a failure amounts to. */
export function failure(error: unknown): Answer {
  const status = error instanceof StatusError ? error : internalError(error instanceof Error ? error.message : String(error));
  return { code: status.code, body: status.toStatus() };
}

/** Sends an answer; `undefined` stands for a stream that is already on its way. */
export function send(response: ServerResponse, answered: Answer | undefined): void {
  if (answered === undefined) return;
  const isText = typeof answered.body === 'string';
  response.writeHead(answered.code, {
    'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json',
    'cache-control': 'no-cache, private',
  });
  response.end(isText ? answered.body : JSON.stringify(answered.body));
}
