// Gathers what is wrong with a command's flags and its request, so that all of it is told at once.
import { prepareRun, type RunKind, type Runs } from '../contract/runs';
import { FabricError, isFabricError } from '../errors/fabric-error';
import { bounded } from '../errors/plain-text';

/** What is shown of a value that is wrong. */
const LONGEST_VALUE = 200;
const LONGEST_PROBLEM = 600;

/** What is wrong so far. */
export class Problems {
  private readonly found: { readonly text: string; readonly path: string | undefined }[] = [];

  /** @param path the place in the request (`''`: all of it) that this leaves empty, so that its emptiness is not told as well. */
  add(text: string, path?: string): void {
    this.found.push({ text: bounded(text, LONGEST_PROBLEM), path });
  }

  /** Whether this place of the request was told already. */
  private covers(path: string): boolean {
    return this.found.some((problem) => problem.path === path);
  }

  /** @throws invalid with every problem, if there is any */
  throwIfAny(command: string): void {
    const [first, ...rest] = new Set(this.found.map(({ text }) => text));
    if (first === undefined) return;
    throw new FabricError({
      code: 'invalid',
      message: rest.length === 0 ? first : `${rest.length + 1} problems:\n  ${[first, ...rest].join('\n  ')}`,
      hint: `See \`skyfabric ${command} --help\`. Nothing was touched.`,
    });
  }

  /**
   * Adds what is wrong with a request; `label` names a place of it as the person gave it.
   */
  addRequest(kind: RunKind, request: object, label: (path: string) => string): void {
    try {
      prepareRun(kind, request as Runs[typeof kind]['input']);
    } catch (error) {
      if (!isFabricError(error, 'invalid')) throw error;
      // One problem a line, as `path: reason`; see src/model/problems.ts.
      for (const line of error.message.split('\n  ').slice(1)) {
        const [, path = '', reason = line] = /^([\w.]+): (.*)$/s.exec(line) ?? [];
        if (this.covers(path)) continue;
        const value = valueAt(request, path);
        if (value === undefined && this.covers('')) continue;
        this.add(value === undefined ? `${label(path)} is missing` : `${label(path)}${shownOf(value, reason)}: ${reason}`, path);
      }
    }
  }
}

/** The value that is wrong, unless it is large or the reason tells it. */
function shownOf(value: unknown, reason: string): string {
  const text = JSON.stringify(value);
  return typeof value === 'object' || reason.includes(text) ? '' : ` ${bounded(text, LONGEST_VALUE)}`;
}

function valueAt(request: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined),
      path === '' ? { '': request } : request,
    );
}
