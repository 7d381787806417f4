import type { OurClient } from './calls.ts';
import { seeError, type Seen } from './scenarios.ts';

/** Callers that call one after another until they are told to stop. */
export interface Traffic {
  /** Calls that went well. */
  ok(): number;
  readonly failures: Seen[];
  /** Resolves when so many more calls have ended. */
  more(calls: number): Promise<void>;
  /** Resolves when `condition` holds, looked at after each call. */
  until(condition: () => boolean): Promise<void>;
  stop(): Promise<void>;
}

export function startTraffic({ client }: OurClient, callers: number): Traffic {
  let ok = 0;
  const life = { isOn: true };
  const failures: Seen[] = [];
  const waiting = new Set<() => void>();

  async function call(): Promise<void> {
    while (life.isOn) {
      const saying = client.say({ value: 'a' }, { timeoutMs: 60_000 });
      const failed = await saying.then(
        () => undefined,
        (error: Error) => seeError(Promise.reject(error)),
      );
      if (failed === undefined) ok++;
      else failures.push(failed);
      for (const look of waiting) look();
    }
  }

  const calling = Array.from({ length: callers }, () => call());
  const until = (condition: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
    });
  return {
    ok: () => ok,
    failures,
    until,
    more(calls) {
      const target = ok + failures.length + calls;
      return until(() => ok + failures.length >= target);
    },
    async stop() {
      life.isOn = false;
      await Promise.all(calling);
    },
  };
}
