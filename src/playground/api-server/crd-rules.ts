// Rules of custom resources (`x-kubernetes-validations`): the small part of CEL that is simulated, which is comparisons joined
// by `&&` of `self`, its members, `size(…)`, numbers and quoted text. A definition with any other rule is refused.

import { isObject, valueAt } from './object';

type Operand = (self: unknown) => unknown;

const COMPARE: Readonly<Record<string, (a: never, b: never) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
};

/** The rule as a function of `self`; `undefined` for a rule beyond what is simulated. */
export function compileRule(rule: string): ((self: unknown) => boolean) | undefined {
  const comparisons = rule.split('&&').map((text) => {
    const [, left = '', operator = '', right = ''] = /^(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+)$/.exec(text.trim()) ?? [];
    const [a, compare, b] = [operand(left), COMPARE[operator], operand(right)];
    return a && b && compare && ((self: unknown) => compare(a(self) as never, b(self) as never));
  });
  if (comparisons.includes(undefined)) return undefined;
  return (self) => comparisons.every((holds) => holds?.(self));
}

function operand(text: string): Operand | undefined {
  if (/^-?\d+$/.test(text)) return () => Number(text);
  const quoted = /^(['"])([^'"\\]*)\1$/.exec(text)?.[2];
  if (quoted !== undefined) return () => quoted;
  const sized = /^size\((.+)\)$/.exec(text)?.[1];
  if (sized !== undefined) {
    const inner = operand(sized);
    return inner && ((self) => sizeOf(inner(self)));
  }
  if (!/^self(\.\w+)*$/.test(text)) return undefined;
  return (self) => valueAt(self, ...text.split('.').slice(1));
}

function sizeOf(value: unknown): number {
  return typeof value === 'string' || Array.isArray(value) ? Array.from(value).length : isObject(value) ? Object.keys(value).length : 0;
}
