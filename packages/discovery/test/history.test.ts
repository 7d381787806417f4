import { describe, expect, it } from 'vitest';
import { createHistory, type EventLog } from '../src/registry/history.ts';

const ENOUGH = 1_000_000;

function append(log: EventLog, events: number, bytes = 1): void {
  for (let n = 0; n < events; n++) {
    const endpoint = { instanceId: 'a', incarnation: 1n };
    log.append({ key: 'a#1', endpoint, event: new Uint8Array(bytes), before: [], after: [] });
  }
}

const since = (log: EventLog, revision: number): number[] =>
  log.since(revision, ENOUGH, ENOUGH).map((event) => event.revision);

describe('a history', () => {
  it('gives each event after a revision, exactly as far back as it reaches', () => {
    const log = createHistory({ maxEvents: 2, maxBytes: ENOUGH }).open();
    append(log, 4);
    expect([log.revision(), log.last()]).toEqual([5, 5]);
    expect([2, 3, 5, 6].map((revision) => log.reaches(revision))).toEqual([false, true, true, false]);
    expect([since(log, 5), since(log, 4), since(log, 3)]).toEqual([[], [5], [4, 5]]);
  });

  it('resumes an empty one at its revision only', () => {
    const log = createHistory({ maxEvents: 2, maxBytes: ENOUGH }).open();
    expect([0, 1, 2].map((revision) => log.reaches(revision))).toEqual([false, true, false]);
  });

  it('is bounded in bytes as well', () => {
    const history = createHistory({ maxEvents: ENOUGH, maxBytes: 10_000 });
    const log = history.open();
    append(log, 100, 800);
    expect(history.size()).toEqual({ events: 10, bytes: 10_000 });
    expect([log.reaches(90), log.reaches(91)]).toEqual([false, true]);
    append(log, 1, 20_000);
    expect([history.size().events, log.reaches(101), log.reaches(102)]).toEqual([0, false, true]);
  });

  it('counts the revisions of all logs as one, and lets a quiet one reach back beyond the noise of others', () => {
    const history = createHistory({ maxEvents: 3, maxBytes: ENOUGH });
    const [quiet, loud] = [history.open(), history.open()];
    append(quiet, 1);
    append(loud, 2);
    expect([since(quiet, 1), since(loud, 1)]).toEqual([[2], [3, 4]]);
    append(loud, 10);
    // What happened in it is forgotten; what did not happen since cannot be.
    expect([quiet.reaches(1), quiet.reaches(2), quiet.reaches(9)]).toEqual([false, true, true]);
    expect([quiet.last(), loud.last()]).toEqual([2, 14]);
  });

  it('does not let a log that is opened again reach back to before', () => {
    const history = createHistory({ maxEvents: 8, maxBytes: ENOUGH });
    const first = history.open();
    append(first, 5);
    history.close(first);
    const second = history.open();
    expect([second.reaches(3), second.reaches(6)]).toEqual([false, true]);
    append(second, 20);
    expect(history.size().events).toBe(8);
    expect(since(second, 18)).toEqual([19, 20, 21, 22, 23, 24, 25, 26]);
  });

  it('gives so much at once as is asked for, and at least one', () => {
    const log = createHistory({ maxEvents: 100, maxBytes: ENOUGH }).open();
    append(log, 10, 100);
    expect(log.since(1, 3, ENOUGH).length).toBe(3);
    expect(log.since(1, 10, 250).length).toBe(2);
    expect(log.since(1, 10, 1).length).toBe(1);
  });
});
