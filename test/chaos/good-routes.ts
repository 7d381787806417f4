import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { pause, type Chance } from './chance.ts';
import type { Journal } from './journal.ts';
import { ChaosService, type Plan, type Word } from './schema.ts';

const read = ({ value }: { value: string }): Plan => JSON.parse(value) as Plan;
const say = (word: Word): { value: string } => ({ value: JSON.stringify(word) });

/** Handlers that keep their word, at their own pace, and fail now and then as handlers do. */
export function createGoodRoutes(journal: Journal, chance: Chance, where: string): (router: ConnectRouter) => void {
  const pad = (): string => 'p'.repeat(chance.chance(0.1) ? chance.int(100_000) : chance.int(200));
  async function dawdle(signal: AbortSignal): Promise<void> {
    if (chance.chance(0.3)) await pause(chance.int(20), signal);
    if (chance.chance(0.03))
      throw new ConnectError('as planned', chance.pick([Code.Unavailable, Code.Internal, Code.NotFound]));
  }
  return (router) => {
    router.service(ChaosService, {
      async get(request, { signal }) {
        const { id } = read(request);
        journal.ran(id, true, where);
        await dawdle(signal);
        return say({ id, seq: 0, pad: pad() });
      },
      async do(request, { signal }) {
        const { id } = read(request);
        journal.ran(id, false, where);
        await dawdle(signal);
        return say({ id, seq: 0, pad: pad() });
      },
      async *watch(request, { signal }) {
        const { id, count } = read(request);
        journal.ran(id, true, where);
        for (let seq = 0; seq < count; seq++) {
          await dawdle(signal);
          yield say({ id, seq, pad: pad() });
        }
      },
      async put(requests, { signal }) {
        let seen = 0;
        let plan: Plan | undefined;
        for await (const request of requests) {
          plan = read(request);
          if (plan.seq === 0) journal.ran(plan.id, false, where);
          if (plan.seq !== seen) journal.wrong(`put ${plan.id}: message ${plan.seq} came as number ${seen}`);
          seen++;
          await dawdle(signal);
        }
        if (plan === undefined) throw new ConnectError('nothing came', Code.InvalidArgument);
        // The only way to learn that a broken-off upload was taken for a whole one.
        if (seen !== plan.count)
          journal.cutShort(
            plan.id,
            `put ${plan.id} by ${plan.caller}: ended in order after ${seen} of ${plan.count} messages`,
          );
        return say({ id: plan.id, seq: seen, pad: '' });
      },
      async *chat(requests, { signal }) {
        let seen = 0;
        for await (const request of requests) {
          const { id, seq } = read(request);
          if (seq === 0) journal.ran(id, false, where);
          if (seq !== seen) journal.wrong(`chat ${id}: message ${seq} came as number ${seen}`);
          seen++;
          await dawdle(signal);
          yield say({ id, seq, pad: pad() });
        }
      },
    });
  };
}
