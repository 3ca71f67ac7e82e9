// Faults for simulated clusters: rules that make chosen requests fail in the ways real API servers and networks do.
// One injector may serve many servers, so that a rule can be aimed at a cluster by its name.

import type { ApiRequest } from './routing';

/**
 * How a request fails. `error-before`: 500, nothing done. `error-after`: done, answered 500. `reset-after`: done, connection dropped.
 * `reset`: connection dropped, nothing done. `hang`: no answer until the client gives up or the server closes, nothing done.
 * `conflict`: 409. `too-many`: 429 with `Retry-After`. `server-error`: 503. `slow`: an ordinary answer, `delayMs` late.
 */
type FaultKind = 'error-before' | 'error-after' | 'reset-after' | 'hang' | 'reset' | 'conflict' | 'too-many' | 'server-error' | 'slow';

/** Which requests a rule is for; an absent member matches everything, text matches exactly, an expression by `test`. */
interface FaultMatch {
  readonly server?: string | RegExp;
  readonly method?: string | RegExp;
  readonly verb?: string | RegExp;
  /** The request's path with its query. */
  readonly path?: string | RegExp;
  readonly resource?: string | RegExp;
  readonly subresource?: string | RegExp;
  readonly namespace?: string | RegExp;
  readonly name?: string | RegExp;
  readonly userAgent?: string | RegExp;
}

export interface FaultRule {
  readonly match: FaultMatch;
  readonly fault: FaultKind;
  /** The first matching request that fails, counted from 1. Default 1. */
  readonly nth?: number;
  /** How many matching requests fail, from the nth on. Default 1; `Infinity` never stops. */
  readonly times?: number;
  /** Waits this long before anything else, whatever the fault. Default 0; for `slow` 1000. */
  readonly delayMs?: number;
  /** `Retry-After` of `too-many`. Default 1. */
  readonly retryAfterSeconds?: number;
}

/** One fault that happened. */
export interface FiredFault {
  readonly rule: FaultRule;
  readonly request: ApiRequest;
}

/** A rule that was added: how often it fired, and the way to withdraw it. */
export interface FaultHandle {
  fired(): number;
  remove(): void;
}

/** Holds the rules, and tells for each request which fault, if any, it meets. */
export class FaultInjector {
  private rules: { rule: FaultRule; seen: number; fired: number }[] = [];
  private history: FiredFault[] = [];

  /** Adds a rule; of several rules that match a request the one added first fires. */
  add(rule: FaultRule): FaultHandle {
    const entry = { rule, seen: 0, fired: 0 };
    this.rules.push(entry);
    return {
      fired: () => entry.fired,
      remove: () => {
        this.rules = this.rules.filter((other) => other !== entry);
      },
    };
  }

  /** Withdraws every rule and forgets what fired. */
  clear(): void {
    this.rules = [];
    this.history = [];
  }

  /** The faults that happened, in order. */
  fired(): readonly FiredFault[] {
    return this.history;
  }

  /** The rule that this request meets; counts it as fired. */
  take(request: ApiRequest): FaultRule | undefined {
    let taken: FaultRule | undefined;
    for (const entry of this.rules) {
      if (!matches(entry.rule.match, request)) continue;
      entry.seen += 1;
      if (taken !== undefined || entry.seen < (entry.rule.nth ?? 1) || entry.fired >= (entry.rule.times ?? 1)) continue;
      entry.fired += 1;
      taken = entry.rule;
      this.history.push({ rule: taken, request });
    }
    return taken;
  }
}

function matches(match: FaultMatch, request: ApiRequest): boolean {
  return Object.entries(match).every(([member, wanted]) => {
    const actual = request[member as keyof FaultMatch] ?? '';
    return wanted instanceof RegExp ? new RegExp(wanted.source, wanted.flags.replace(/[gy]/g, '')).test(actual) : wanted === actual;
  });
}
