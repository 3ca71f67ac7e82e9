// A run's steps as the Markdown table that Temporal's UI shows as the workflow's current details.
import type { RunStatus, StepState } from '../src/contract/status';
import { cell } from './markdown';

const MARKS: Readonly<Record<StepState, string>> = {
  running: '⏳ running',
  done: '✅ done',
  failed: '❌ failed',
  undoing: '↩️ undoing',
  undone: '↩️ undone',
  'not-undone': '⚠️ not undone',
};

/** One row a step; the problem and the residue below. */
export function statusTable(status: RunStatus): string {
  const rows = status.steps.map((step) => {
    const told = step.lastError?.message ?? step.note ?? '';
    return `| ${step.peer ?? ''} | ${cell(step.title)} | ${MARKS[step.state]} | ${step.attempts ?? ''} | ${cell(told)} |`;
  });
  const lines = ['| peer | step | state | attempts | |', '|---|---|---|---|---|', ...rows];
  if (status.problem !== undefined) {
    lines.push('', `**${status.problem.code}**: ${cell(status.problem.message)}`);
    if (status.problem.hint !== undefined) lines.push('', cell(status.problem.hint));
  }
  if (status.rollback !== undefined) {
    const { residue } = status.rollback;
    lines.push('', residue.length === 0 ? 'Rolled back; the residue is empty.' : 'Residue:');
    for (const left of residue) lines.push(`- ${left.peer}: ${left.object}: ${cell(left.why)}`);
  }
  return lines.join('\n');
}
