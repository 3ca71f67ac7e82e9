// Colours and marks of what is printed; colours only on a terminal, and never against NO_COLOR (https://no-color.org).
import { styleText } from 'node:util';
import type { StepState } from '../contract/status';
import type { TextOutput } from './text-output';

export type Colour = 'green' | 'red' | 'yellow' | 'cyan' | 'dim' | 'bold';

/** Colours a text, or returns it as it is. */
export type Paint = (colour: Colour, text: string) => string;

export const uncoloured: Paint = (_colour, text) => text;

/** How to colour what goes to this output. */
export function paintFor(output: TextOutput, env: NodeJS.ProcessEnv): Paint {
  const wanted = output.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return wanted ? (colour, text) => styleText(colour, text, { validateStream: false }) : uncoloured;
}

/** Each state's mark (one column wide everywhere), colour and name. */
export const STATES: Readonly<Record<StepState, { readonly mark: string; readonly colour: Colour; readonly name: string }>> = {
  running: { mark: '▸', colour: 'cyan', name: 'running' },
  done: { mark: '✔', colour: 'green', name: 'done' },
  failed: { mark: '✖', colour: 'red', name: 'failed' },
  undoing: { mark: '↶', colour: 'yellow', name: 'undoing' },
  undone: { mark: '↩', colour: 'yellow', name: 'undone' },
  'not-undone': { mark: '!', colour: 'red', name: 'not undone' },
};
