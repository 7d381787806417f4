import { describe, expect, it } from 'vitest';
import { connect } from './support/calls.ts';
import { startServer } from './support/servers.ts';

const CALLERS = 64;
const DRAINS = 20;

describe('a server that drains its connections', () => {
  it('loses no call of 64 callers, and answers each once', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url);
    const counts = { drains: 0, calls: 0 };
    const failures: unknown[] = [];

    async function drainAll(): Promise<void> {
      while (counts.drains < DRAINS) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        counts.drains++;
        // Node's own way of an orderly end: GOAWAY with the last stream it has seen, later ones are refused.
        for (const session of server.sessions) session.close();
      }
    }

    async function callOnAndOn(): Promise<void> {
      while (counts.drains < DRAINS) {
        counts.calls++;
        await ours.client.say({ value: 'a' }).catch((error: unknown) => failures.push(error));
      }
    }

    await Promise.all([drainAll(), ...Array.from({ length: CALLERS }, callOnAndOn)]);
    expect(failures).toEqual([]);
    expect(server.probe.calls).toBe(counts.calls);
    expect(counts.calls).toBeGreaterThan(CALLERS);
  });

  it('loses no stream either', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url);
    const timer = setInterval(() => {
      for (const session of server.sessions) session.close();
    }, 20);
    try {
      const counts = await Promise.all(
        Array.from({ length: 200 }, async () => {
          let count = 0;
          for await (const _ of ours.client.count({ value: 12 })) count++;
          return count;
        }),
      );
      expect(new Set(counts)).toEqual(new Set([12]));
    } finally {
      clearInterval(timer);
    }
  });
});
