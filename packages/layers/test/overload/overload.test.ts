import { createVirtualClock, type CallPolicy, type Criticality, type Service, type VirtualClock } from '@bascule/core';
import { fuzzing, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createConcurrencyLayer } from '../../src/overload/concurrency.ts';
import { knownHead, OK, OK_HEAD } from '../rig.ts';

const CAPACITY = 10;
const SERVICE_MS = 20;
const DEADLINE_MS = 200;
const WARM_MS = 3_000;
const END_MS = 13_000;

/** Works on ten calls at once, whether anybody still waits for them or not, and queues the others in itself. */
function createServer(clock: VirtualClock): Service {
  const waiting: (() => void)[] = [];
  let busy = 0;
  const serve = (): void => {
    for (; busy < CAPACITY && waiting.length > 0; busy++) {
      const answer = waiting.shift() as () => void;
      clock.after(SERVICE_MS * (0.9 + 0.2 * clock.random()), () => {
        busy--;
        answer();
        serve();
      });
    }
  };
  return (_head, reply) => ({
    write() {},
    end() {
      waiting.push(() => {
        reply.head(OK_HEAD);
        reply.end(OK);
      });
      serve();
    },
    cancel() {},
    grant() {},
  });
}

interface Tally {
  asked: number;
  inTime: number;
  /** Started, and not answered in time: work for nothing. */
  wasted: number;
}

/** Twice as many calls as it can take come by chance, all with the same patience; one of ten is critical. */
function run(clock: VirtualClock, service: Service, policy: CallPolicy): Record<Criticality, Tally> {
  const empty = (): Tally => ({ asked: 0, inTime: 0, wasted: 0 });
  const tallies = { critical: empty(), default: empty(), sheddable: empty() };
  const started = new Set<unknown>();
  const guarded = createConcurrencyLayer({ clock })((head, reply) => {
    started.add(head.call);
    return service(head, reply);
  });
  const arrive = (): void => {
    const chance = clock.random();
    const criticality: Criticality = chance < 0.1 ? 'critical' : chance < 0.7 ? 'default' : 'sheddable';
    const nowMs = clock.nowMs();
    const head = knownHead('unknown', 'unary', {
      policy: { ...policy, criticality },
      startedMs: nowMs,
      deadlineMs: nowMs + DEADLINE_MS,
    });
    const tally = nowMs < WARM_MS ? empty() : tallies[criticality];
    tally.asked++;
    const call = startCall(guarded, head);
    call.body.end();
    clock.after(DEADLINE_MS, () => {
      if (call.trailers !== undefined) tally.inTime++;
      else {
        if (started.has(head.call)) tally.wasted++;
        call.body.cancel('deadline');
      }
    });
    if (nowMs < END_MS) clock.after((-Math.log(1 - clock.random()) * SERVICE_MS) / (2 * CAPACITY), arrive);
  };
  arrive();
  clock.advance(END_MS + DEADLINE_MS);
  return tallies;
}

describe('a service with twice the load that it can take', () => {
  const { seed } = fuzzing(1);
  const capacity = (CAPACITY * (END_MS - WARM_MS)) / SERVICE_MS;

  it('answers as many in time as it can with a queue, critical ones first, and works for nobody who has gone', () => {
    const clock = createVirtualClock(seed);
    const tallies = run(clock, createServer(clock), { concurrency: { name: 'x', maxQueue: 200 } });
    const failing = `seed ${seed}: ${JSON.stringify(tallies)}`;
    const { critical, default: normal, sheddable } = tallies;
    expect(critical.inTime + normal.inTime + sheddable.inTime, failing).toBeGreaterThan(capacity * 0.95);
    expect(critical.inTime / critical.asked, failing).toBeGreaterThan(0.99);
    expect(normal.inTime / normal.asked, failing).toBeGreaterThan(0.6);
    expect(sheddable.inTime / sheddable.asked, failing).toBeLessThan(0.2);
    expect(critical.wasted + normal.wasted + sheddable.wasted, failing).toBeLessThan(capacity * 0.02);
  });

  it('answers hardly anybody in time without', () => {
    const clock = createVirtualClock(seed);
    const { critical, default: normal, sheddable } = run(clock, createServer(clock), {});
    expect(critical.inTime + normal.inTime + sheddable.inTime, `seed ${seed}`).toBeLessThan(capacity * 0.2);
  });
});
