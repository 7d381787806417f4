import type { Live } from './live.ts';

/** Where a module stands. At most one candidate at a time; what is current takes all new calls throughout. */
export type RolloutState =
  | { readonly step: 'idle'; readonly current: Live | undefined }
  | {
      readonly step: 'starting' | 'checking' | 'switching';
      readonly current: Live | undefined;
      readonly candidate: Live;
    };

export type RolloutEvent =
  | { readonly type: 'resume'; readonly version: Live }
  | { readonly type: 'start'; readonly candidate: Live }
  | { readonly type: 'loaded' | 'healthy' | 'published' | 'refused' };

/** The next state. Throws on an event that cannot come in this state, which would be a fault of ours. */
export function transitionRollout(from: RolloutState, event: RolloutEvent): RolloutState {
  switch (from.step) {
    case 'idle':
      if (event.type === 'start') return { step: 'starting', current: from.current, candidate: event.candidate };
      if (event.type === 'resume' && from.current === undefined) return { step: 'idle', current: event.version };
      break;
    case 'starting':
      if (event.type === 'loaded') return { ...from, step: 'checking' };
      if (event.type === 'refused') return { step: 'idle', current: from.current };
      break;
    case 'checking':
      if (event.type === 'healthy') return { ...from, step: 'switching' };
      if (event.type === 'refused') return { step: 'idle', current: from.current };
      break;
    case 'switching':
      if (event.type === 'published') return { step: 'idle', current: from.candidate };
      if (event.type === 'refused') return { step: 'idle', current: from.current };
      break;
  }
  throw new Error(`a rollout that is ${from.step} cannot take "${event.type}"`);
}
