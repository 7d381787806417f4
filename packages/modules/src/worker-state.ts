/**
 * The life of one version's worker, over all its restarts.
 *
 * starting -> ready -> draining -> ended; ready -> crashed -> starting. A first start that dies is `failed`, unless the
 * version must run (it was current before a restart of the gateway): then it is `crashed` and tried again.
 */
export type WorkerState =
  | { readonly state: 'starting'; readonly restarts: number; readonly onDeath: 'fail' | 'restart' }
  | { readonly state: 'ready'; readonly restarts: number }
  | { readonly state: 'draining'; readonly restarts: number }
  | { readonly state: 'crashed'; readonly restarts: number; readonly reason: string }
  | { readonly state: 'failed'; readonly restarts: number; readonly reason: string }
  | { readonly state: 'ended'; readonly restarts: number };

export type WorkerEvent =
  | { readonly type: 'loaded' }
  | { readonly type: 'died'; readonly reason: string }
  | { readonly type: 'restarting' }
  | { readonly type: 'retired' }
  | { readonly type: 'drained' }
  | { readonly type: 'closed' };

/** The next state; the same object when the event says nothing in this state. */
export function transitionWorker(from: WorkerState, event: WorkerEvent): WorkerState {
  const { restarts } = from;
  if (from.state === 'failed' || from.state === 'ended') return from;
  switch (event.type) {
    case 'closed':
      return { state: 'ended', restarts };
    case 'loaded':
      return from.state === 'starting' ? { state: 'ready', restarts } : from;
    case 'restarting':
      return from.state === 'crashed' ? { state: 'starting', restarts: restarts + 1, onDeath: 'restart' } : from;
    case 'drained':
      return from.state === 'draining' ? { state: 'ended', restarts } : from;
    case 'retired':
      return from.state === 'ready'
        ? { state: 'draining', restarts }
        : from.state === 'draining'
          ? from
          : { state: 'ended', restarts };
    case 'died':
      break;
  }
  return afterDeath(from, event.reason);
}

function afterDeath(from: WorkerState, reason: string): WorkerState {
  const { restarts } = from;
  switch (from.state) {
    case 'starting':
      return from.onDeath === 'fail' ? { state: 'failed', restarts, reason } : { state: 'crashed', restarts, reason };
    case 'ready':
      return { state: 'crashed', restarts, reason };
    // Nobody sends it new calls any more: nothing to start again.
    case 'draining':
      return { state: 'ended', restarts };
    case 'crashed':
    case 'failed':
    case 'ended':
      break;
  }
  return from;
}
