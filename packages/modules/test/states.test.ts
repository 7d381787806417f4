import { createRandom } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import type { VersionRecord } from '../src/history.ts';
import type { Live } from '../src/live.ts';
import { transitionRollout, type RolloutState } from '../src/rollout-state.ts';
import { transitionWorker, type WorkerEvent, type WorkerState } from '../src/worker-state.ts';

const STARTING: WorkerState = { state: 'starting', restarts: 0, onDeath: 'fail' };
const READY: WorkerState = { state: 'ready', restarts: 0 };

function run(from: WorkerState, ...events: WorkerEvent[]): WorkerState {
  return events.reduce(transitionWorker, from);
}

describe('state of a worker', () => {
  it('fails a first start that dies, unless the version must run', () => {
    const died: WorkerEvent = { type: 'died', reason: 'why' };
    expect(run(STARTING, died)).toEqual({ state: 'failed', restarts: 0, reason: 'why' });
    expect(run({ ...STARTING, onDeath: 'restart' }, died)).toEqual({ state: 'crashed', restarts: 0, reason: 'why' });
  });

  it('starts a crashed one again, also when the restart dies', () => {
    const died: WorkerEvent = { type: 'died', reason: 'why' };
    const twice = run(READY, died, { type: 'restarting' }, died, { type: 'restarting' });
    expect(twice).toEqual({ state: 'starting', restarts: 2, onDeath: 'restart' });
  });

  it('does not start again what drains or was retired while crashed', () => {
    const died: WorkerEvent = { type: 'died', reason: 'why' };
    expect(run(READY, { type: 'retired' }, died).state).toBe('ended');
    expect(run(READY, died, { type: 'retired' }, { type: 'restarting' }).state).toBe('ended');
  });

  it('drains only what was retired', () => {
    expect(run(READY, { type: 'drained' })).toBe(READY);
    expect(run(READY, { type: 'retired' }, { type: 'drained' }).state).toBe('ended');
  });

  it('never comes back from its end, whatever happens', () => {
    const seed = fuzzing(1).seed;
    const random = createRandom(seed);
    const types = ['loaded', 'died', 'restarting', 'retired', 'drained', 'closed'] as const;
    for (let walk = 0; walk < 500; walk++) {
      let state: WorkerState = { ...STARTING };
      let over = false;
      for (let step = 0; step < 12; step++) {
        const type = types[Math.floor(random() * types.length)] ?? 'closed';
        const next = transitionWorker(state, type === 'died' ? { type, reason: 'why' } : { type });
        if (over) expect(next, `FUZZ_SEED=${seed}`).toBe(state);
        // Restarts count starts after the first, and nothing else.
        expect(next.restarts - state.restarts, `FUZZ_SEED=${seed}`).toBe(
          type === 'restarting' && state.state === 'crashed' ? 1 : 0,
        );
        state = next;
        over ||= state.state === 'failed' || state.state === 'ended';
      }
    }
  });
});

describe('state of a rollout', () => {
  const [one, two] = [1, 2].map((id) => ({ record: { id } as VersionRecord }) as Live) as [Live, Live];
  const idle: RolloutState = { step: 'idle', current: one };

  it('keeps the current one until the candidate is published', () => {
    let state = transitionRollout(idle, { type: 'start', candidate: two });
    for (const type of ['loaded', 'healthy'] as const) {
      state = transitionRollout(state, { type });
      expect(state.current).toBe(one);
      expect(transitionRollout(state, { type: 'refused' })).toEqual(idle);
    }
    expect(transitionRollout(state, { type: 'published' })).toEqual({ step: 'idle', current: two });
  });

  it('takes no second candidate and no step out of order', () => {
    const starting = transitionRollout(idle, { type: 'start', candidate: two });
    expect(() => transitionRollout(starting, { type: 'start', candidate: two })).toThrow('cannot take "start"');
    expect(() => transitionRollout(starting, { type: 'published' })).toThrow('cannot take "published"');
    expect(() => transitionRollout(idle, { type: 'resume', version: two })).toThrow('cannot take "resume"');
  });
});
