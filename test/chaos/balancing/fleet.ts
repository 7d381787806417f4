import { pause, type Chance } from '../chance.ts';
import type { Scene } from '../discovery/scene.ts';
import type { Backend } from './backend.ts';

/** A while in which what a backend has under way may be lost. */
export interface LossWindow {
  readonly kind: 'kill' | 'pause';
  readonly instanceId: string;
  readonly fromMs: number;
  untilMs: number;
}

export interface FleetOptions {
  readonly scene: Scene;
  readonly chance: Chance;
  readonly start: (instanceId: string) => Promise<Backend>;
}

/** Backends that are shaken. */
export interface Fleet {
  readonly windows: readonly LossWindow[];
  /** Instances that came after the start, by a scale-up or anew after a kill or a restart. */
  readonly came: ReadonlySet<string>;
  /** Does things to them, one after the other, until `untilMs`. Leaves them all well. */
  shake(untilMs: number): Promise<void>;
  /** Instances there are at the end. */
  alive(): string[];
}

type State = 'up' | 'paused' | 'busy';
type Action = 'kill' | 'pause' | 'restart' | 'scale-up' | 'scale-down';

const START = 4;
const MOST = 6;
/** Of these there are always so many that nobody touches. */
const LEAST_UP = 2;
const LONGEST_PAUSE_MS = 5_000;
/** After a pause its connections may have been given up, and nobody there knows it yet. */
const AFTER_PAUSE_MS = 1_000;

export async function startFleet({ scene, chance, start }: FleetOptions): Promise<Fleet> {
  const states = new Map<Backend, State>();
  const windows: LossWindow[] = [];
  const came = new Set<string>();
  const running = new Set<Promise<void>>();
  /** What a short run has as well. */
  const first: Action[] = ['kill', 'pause'];
  let lastName = 0;

  async function add(): Promise<Backend> {
    const backend = await start(`b${++lastName}`);
    scene.stack.defer(() => backend.stop());
    states.set(backend, 'up');
    return backend;
  }

  const ups = (): Backend[] => [...states].flatMap(([backend, state]) => (state === 'up' ? [backend] : []));

  const play: Record<Action, (victim: Backend) => Promise<void>> = {
    async kill(victim) {
      const window: LossWindow = {
        kind: 'kill',
        instanceId: victim.instanceId,
        fromMs: performance.now(),
        untilMs: Infinity,
      };
      windows.push(window);
      await victim.kill();
      window.untilMs = performance.now() + AFTER_PAUSE_MS;
      await pause(chance.int(1_500));
      await victim.restart();
      came.add(victim.instanceId);
    },
    async pause(victim) {
      const window: LossWindow = {
        kind: 'pause',
        instanceId: victim.instanceId,
        fromMs: performance.now(),
        untilMs: Infinity,
      };
      windows.push(window);
      victim.pause();
      await pause(300 + chance.int(LONGEST_PAUSE_MS - 300));
      victim.resume();
      window.untilMs = performance.now() + AFTER_PAUSE_MS;
      await pause(AFTER_PAUSE_MS);
    },
    async restart(victim) {
      await victim.restart();
      came.add(victim.instanceId);
    },
    async 'scale-up'() {
      came.add((await add()).instanceId);
    },
    async 'scale-down'(victim) {
      states.delete(victim);
      process.kill(victim.pid, 'SIGTERM');
    },
  };

  function choose(): Action {
    const up = ups().length;
    const all = states.size;
    const actions: Action[] = ['kill', 'kill', 'pause', 'pause', 'restart'];
    if (up <= LEAST_UP) return 'scale-up';
    const next = first.shift();
    if (next !== undefined) return next;
    if (all < MOST) actions.push('scale-up');
    if (all > START) actions.push('scale-down');
    return chance.pick(actions);
  }

  function begin(): void {
    const action = choose();
    if (action === 'scale-up' && states.size >= MOST) return;
    const victim = chance.pick(ups());
    const isVictim = action !== 'scale-up';
    scene.made(action);
    if (isVictim) {
      scene.note(`it is ${victim.instanceId}`);
      states.set(victim, action === 'pause' ? 'paused' : 'busy');
    }
    const done = play[action](victim)
      .then(() => {
        if (isVictim && states.has(victim)) states.set(victim, 'up');
      })
      .catch((error: unknown) => scene.wrong(`${action}: ${String(error)}`))
      .finally(() => running.delete(done));
    running.add(done);
  }

  await Promise.all(Array.from({ length: START }, () => add()));
  return {
    windows,
    came,
    async shake(untilMs) {
      while (performance.now() < untilMs) {
        if (running.size < 2) begin();
        await pause(200 + chance.int(1_000));
      }
      await Promise.all(running);
    },
    alive: () => [...states.keys()].map(({ instanceId }) => instanceId),
  };
}
