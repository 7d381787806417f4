import { codeName, type AttemptNote, type Explanation } from '@bascule/core';
import { toPlain, type Terminal } from '../terminal.ts';

/** Each attempt with its endpoint, why it was this one, who was not asked and why, and how it ended; then what layers say. */
export function printExplanation(terminal: Terminal, { dryRun, notes, attempts }: Explanation): void {
  for (const [index, attempt] of attempts.entries()) {
    const kind = attempt.kind === 'first' ? '' : ` (${attempt.kind})`;
    terminal.print(
      terminal.paint('dim', `attempt ${index + 1}${kind}, ${formatMs(attempt.startedMs)} after the start`),
    );
    for (const line of linesOf(attempt, dryRun)) terminal.print(`  ${toPlain(line)}`);
  }
  if (attempts.length === 0) terminal.print('no attempt was made: it was refused or answered before');
  for (const note of notes) terminal.print(toPlain(note));
}

function linesOf({ pick, outcome, startedMs, endedMs }: AttemptNote, dryRun: boolean): string[] {
  const lines: string[] = [];
  if (pick === undefined) {
    lines.push('no endpoint could take it');
  } else {
    lines.push(`${pick.endpoint} at ${pick.address}`);
    lines.push(`by ${pick.policy}: ${pick.reason}; ${pick.candidates} to choose from, ${pick.group}`);
    for (const { endpoint, reason } of pick.excluded) lines.push(`not ${endpoint}: ${reason}`);
  }
  if (dryRun) return [...lines, 'not called: this was a dry run'];
  if (outcome !== undefined && endedMs !== undefined) {
    const said = outcome.message === '' ? '' : `: ${outcome.message}`;
    lines.push(`${codeName(outcome.code)} after ${formatMs(endedMs - startedMs)}, by ${WHO[outcome.by]}${said}`);
  }
  return lines;
}

const WHO = { callee: 'the endpoint', wire: 'the gateway', caller: 'the caller' } as const;

function formatMs(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
