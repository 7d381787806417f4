import type { Clock, Timer } from '@bascule/core';
import type { Log, LogEvent } from '../log.ts';

/** Lines of one kind, so many in a second at most: ten thousand endpoints may fail at once. */
export interface PacedLog {
  write(event: LogEvent): void;
  /** Counts lines of a level that nobody has written out. */
  leaveOut(level: LogEvent['level'], count: number): void;
  /** Tells at once how many were left out. */
  close(): void;
}

export interface PacedLogOptions {
  readonly log: Log;
  readonly clock: Clock;
  /** What a line says of those that were left out. */
  rest(count: number): string;
}

const LINES_PER_SECOND = 10;
const SECOND_MS = 1_000;
const LEVELS: readonly LogEvent['level'][] = ['info', 'warn', 'error'];

/** A second begins with the first line after the last one. */
export function createPacedLog(options: PacedLogOptions): PacedLog {
  const { log, clock } = options;
  let lines = 0;
  let leftOut = 0;
  let level: LogEvent['level'] = 'info';
  let second: Timer | undefined;

  function tellRest(): void {
    second?.cancel();
    second = undefined;
    lines = 0;
    if (leftOut === 0) return;
    const event = { level, message: options.rest(leftOut) };
    leftOut = 0;
    level = 'info';
    write(event);
  }

  function leaveOut(given: LogEvent['level'], count: number): void {
    if (count === 0) return;
    second ??= clock.after(SECOND_MS, tellRest);
    leftOut += count;
    if (LEVELS.indexOf(given) > LEVELS.indexOf(level)) level = given;
  }

  function write(event: LogEvent): void {
    second ??= clock.after(SECOND_MS, tellRest);
    if (lines >= LINES_PER_SECOND) return leaveOut(event.level, 1);
    lines++;
    log(event);
  }

  return {
    write,
    leaveOut,
    close() {
      tellRest();
      second?.cancel();
    },
  };
}
