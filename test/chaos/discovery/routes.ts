import type { ConnectRouter } from '@connectrpc/connect';
import { pause, type Chance } from '../chance.ts';
import { ChaosService, type Plan, type Word } from '../schema.ts';

/** Hears of every call that a handler begins, with whether it may be repeated. */
export type OnRun = (id: number, repeatable: boolean) => void;

const read = ({ value }: { value: string }): Plan => JSON.parse(value) as Plan;
const say = (word: Omit<Word, 'pad'>): { value: string } => ({ value: JSON.stringify({ ...word, pad: '' }) });

/** Handlers that take a moment and never fail: what fails then was lost on the way. */
export function createSteadyRoutes(chance: Chance, onRun: OnRun): (router: ConnectRouter) => void {
  const dawdle = (): Promise<void> => pause(chance.int(chance.chance(0.1) ? 150 : 15));
  return (router) => {
    router.service(ChaosService, {
      async get(request) {
        const { id } = read(request);
        onRun(id, true);
        await dawdle();
        return say({ id, seq: 0 });
      },
      async do(request) {
        const { id } = read(request);
        onRun(id, false);
        await dawdle();
        return say({ id, seq: 0 });
      },
      async *watch(request) {
        const { id, count } = read(request);
        onRun(id, true);
        for (let seq = 0; seq < count; seq++) {
          await dawdle();
          yield say({ id, seq });
        }
      },
      async put(requests) {
        let seen = 0;
        let id = 0;
        for await (const request of requests) {
          const plan = read(request);
          id = plan.id;
          if (seen++ === 0) onRun(id, false);
        }
        await dawdle();
        return say({ id, seq: seen });
      },
    });
  };
}
