import { describe, expect, it } from 'vitest';
import { connect } from './support/calls.ts';
import { startServer, type TestServer } from './support/servers.ts';

const CALLERS = 64;
const DRAINS = 20;

/**
 * Drains every connection every so often, new ones too, until `isOver`. Node's own way of an orderly end: GOAWAY with
 * the last stream that it has seen; later ones are refused. Not twice without a call in between: on a machine that is
 * too busy to connect in that time, nobody would ever be answered.
 */
async function drainAgain(server: TestServer, everyMs: number, isOver: (drains: number) => boolean): Promise<void> {
  let drains = 0;
  let calls = 0;
  while (!isOver(drains)) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    if (server.probe.calls === calls) continue;
    ({ calls } = server.probe);
    drains++;
    for (const session of server.sessions) session.close();
  }
}

describe('a server that drains its connections', () => {
  it('loses no call of 64 callers, and answers each once', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url);
    const state = { calls: 0, isOver: false };
    const failures: unknown[] = [];

    async function callOnAndOn(): Promise<void> {
      while (!state.isOver) {
        state.calls++;
        await ours.client.say({ value: 'a' }).catch((error: unknown) => failures.push(error));
      }
    }

    const callers = Array.from({ length: CALLERS }, callOnAndOn);
    await drainAgain(server, 50, (drains) => drains === DRAINS);
    state.isOver = true;
    await Promise.all(callers);
    expect(failures).toEqual([]);
    expect(server.probe.calls).toBe(state.calls);
    expect(state.calls).toBeGreaterThan(CALLERS);
  });

  it('loses no stream either', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url);
    const counts: number[] = [];

    async function count(): Promise<void> {
      let messages = 0;
      for await (const _ of ours.client.count({ value: 12 })) messages++;
      counts.push(messages);
    }

    const streams = Promise.all(Array.from({ length: 200 }, count));
    // What fails must not leave this waiting for its end.
    await Promise.race([streams, drainAgain(server, 5, () => counts.length === 200)]);
    await streams;
    expect(new Set(counts)).toEqual(new Set([12]));
  });
});
