import type { Executions } from '../backends/ranking-backend.ts';
import { percentileOf } from '../statistics.ts';
import type { CallNote, UnaryReport } from '../drivers/unary-report.ts';

/** What one kill did. */
export interface Kill {
  readonly calls: number;
  readonly callsPerSecond: number;
  /** Calls that the killed backend had started and not ended. */
  readonly inFlight: number;
  readonly failed: number;
  /** Attempts after the first, over all calls. */
  readonly retries: number;
  /** From the kill until the last call that was still given to the killed backend. 0: none was. */
  readonly lastPickMs: number;
  /** From the kill until the last failed call had its answer. 0: none failed. */
  readonly lastFailureMs: number;
  readonly executedTwice: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Promises that were not kept. */
  readonly wrong: readonly string[];
}

export interface KillFacts {
  /** Whether the method may be repeated. */
  readonly mayRepeat: boolean;
  readonly report: UnaryReport;
  /** By backend. */
  readonly executions: readonly Executions[];
  readonly victim: number;
  readonly killedMs: number;
}

const UNAVAILABLE = 14;

/** How long after a kill a call may still be given to the dead: its connection is lost, but nobody has looked yet. */
const NOTICE_MS = 100;

/** Lays what the driver saw beside what the backends wrote down. */
export function judgeKill(facts: KillFacts): Kill {
  const { report, executions, victim, killedMs, mayRepeat } = facts;
  const failed = report.calls.filter(({ fault }) => fault !== '');
  const onVictim = executions[victim] as Executions;
  const inFlight = [...onVictim.started].filter((callId) => !onVictim.ended.has(callId));
  const executedTwice = report.calls.filter(({ callId }) => countStarts(executions, callId) > 1).length;
  const pickedLate = mayRepeat ? report.calls.filter(({ attempts }) => attempts > 1) : failed;
  const wrong = mayRepeat ? judgeRepeatable(failed) : judgeOnce(failed, executedTwice, facts);
  wrong.push(...judgeAnswers(facts));
  return {
    calls: report.started,
    callsPerSecond: report.started / report.seconds,
    inFlight: inFlight.length,
    failed: failed.length,
    retries: report.calls.reduce((sum, { attempts }) => sum + Math.max(0, attempts - 1), 0),
    lastPickMs: latest(pickedLate, ({ startedMs }) => startedMs - killedMs),
    lastFailureMs: latest(failed, ({ endedMs }) => endedMs - killedMs),
    executedTwice,
    p99Ms: percentileOf(report.calls.map(({ endedMs, startedMs }) => endedMs - startedMs).toSorted(ascending), 0.99),
    maxMs: report.maxMs,
    wrong,
  };
}

function judgeRepeatable(failed: readonly CallNote[]): string[] {
  return failed.length === 0 ? [] : [`${failed.length} calls failed: ${reasonsOf(failed)}`];
}

/** Only what was under way to the dead may fail, as unavailable, and nothing may run twice. */
function judgeOnce(
  failed: readonly CallNote[],
  executedTwice: number,
  { executions, victim, killedMs }: KillFacts,
): string[] {
  const wrong: string[] = [];
  const others = executions.filter((_, i) => i !== victim);
  const elsewhere = failed.filter(({ callId }) => countStarts(others, callId) > 0);
  const notUnavailable = failed.filter(({ code }) => code !== UNAVAILABLE);
  const late = failed.filter(({ startedMs }) => startedMs > killedMs + NOTICE_MS);
  const early = failed.filter(({ endedMs }) => endedMs < killedMs);
  if (executedTwice > 0) wrong.push(`${executedTwice} calls ran twice`);
  if (elsewhere.length > 0) wrong.push(`${elsewhere.length} calls failed that another backend had run`);
  if (notUnavailable.length > 0) wrong.push(`failed otherwise than as unavailable: ${reasonsOf(notUnavailable)}`);
  if (late.length > 0) wrong.push(`${late.length} calls failed that began ${NOTICE_MS} ms after the kill or later`);
  if (early.length > 0) wrong.push(`${early.length} calls failed before the kill`);
  return wrong;
}

/** Every good answer must be of a call that a backend has run to its end. */
function judgeAnswers({ report, executions }: KillFacts): string[] {
  const wrong: string[] = [];
  const made = (callId: string): boolean => executions.some(({ ended }) => ended.has(callId));
  const made_up = report.calls.filter(({ callId, fault }) => fault === '' && !made(callId));
  if (made_up.length > 0) wrong.push(`void: ${made_up.length} good answers of calls that no backend has run`);
  if (report.calls.length !== report.started) {
    wrong.push(`void: ${report.started} calls were started and ${report.calls.length} ended`);
  }
  return wrong;
}

function countStarts(executions: readonly Executions[], callId: string): number {
  return executions.filter(({ started }) => started.has(callId)).length;
}

function latest(calls: readonly CallNote[], toMs: (call: CallNote) => number): number {
  return Math.max(0, ...calls.map(toMs));
}

function reasonsOf(calls: readonly CallNote[]): string {
  return [...new Set(calls.map(({ fault }) => fault))].slice(0, 3).join('; ');
}

function ascending(a: number, b: number): number {
  return a - b;
}
