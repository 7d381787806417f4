import { openSync, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { RankingService } from '@bascule/app-backend/gen/demo/ranking/v1/ranking_pb.ts';
import { serve } from '@bascule/server';
import { answerLines, say } from '../drivers/lines.ts';
import { nowMs } from '../time.ts';

export interface RankingProcessOptions {
  readonly instanceId: string;
  readonly registry: { readonly url: string; readonly token: string };
  /** How long a call takes: anything between, or all of them would end, and be free of a kill, at the same time. */
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Gets a line at the start and at the end of each call, before the answer. */
  readonly logFile: string;
}

/** A backend that serves RankingService slowly, and writes down what it does before it does it. */
export async function run({ instanceId, registry, latencyMs, logFile }: RankingProcessOptions): Promise<void> {
  const log = openSync(logFile, 'a');
  // Synchronous, so that a line is in the file whatever happens to the process next.
  const note = (what: 'start' | 'end', callId: string): void => void writeSync(log, `${what} ${callId} ${nowMs()}\n`);
  const work = async (callId: string): Promise<void> => {
    note('start', callId);
    await setTimeout(latencyMs.min + Math.random() * (latencyMs.max - latencyMs.min));
    note('end', callId);
  };
  const server = await serve({
    instanceId,
    registry,
    version: 'bench',
    routes: (router) =>
      router.service(RankingService, {
        async rank({ candidates, callId }) {
          await work(callId);
          const ranked = candidates.map(({ id, name }) => ({ id, name, score: 1, reason: 'as it came' }));
          return { ranked, callId, version: 'bench' };
        },
        async vote({ callId }) {
          await work(callId);
          return { votes: 1n, callId, version: 'bench' };
        },
      }),
  });
  await server.registered;
  say({ port: server.port });
  await answerLines(async () => ({}));
}
