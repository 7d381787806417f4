import {
  callError,
  Code,
  whenWorkEnds,
  type CallContext,
  type CallError,
  type Layer,
  type Reply,
  type RequestHead,
  type ServiceLimits,
} from '@bascule/core';
import { isKnownUnary } from './call-kind.ts';
import { Passage } from './passage.ts';
import { refuseCall } from './refusal.ts';

export interface AdmitOptions {
  /** What the call's cluster may have open; a call that would be one more is refused. */
  limitsOf(head: RequestHead): Pick<ServiceLimits, 'maxCalls' | 'maxStreams'>;
  /** Hears of each call that is refused. Must not throw. */
  onRefused?(head: RequestHead): void;
}

/** What a cluster has open. */
interface Open {
  calls: number;
  streams: number;
}

type Kind = keyof Open;

/**
 * Refuses calls of a cluster that has too many open, before they cost anything inside: `resource_exhausted`, at once. A
 * call counts until the work for it has ended, which for one that was cancelled may be later. Streams count apart where
 * they have a limit of their own. Stands outside of retry. Source: Envoy's circuit breaker thresholds, `max_requests`.
 */
export function createAdmitLayer(options: AdmitOptions): Layer {
  const clusters = new Map<string, Open>();
  const release = (cluster: string, kind: Kind): void => {
    const open = clusters.get(cluster);
    if (open === undefined) return;
    open[kind]--;
    // Clusters come and go with deployments: none may leave an entry behind.
    if (open.calls + open.streams === 0) clusters.delete(cluster);
  };
  return (next) => (head, reply) => {
    const { call } = head;
    const limits = options.limitsOf(head);
    const kind = limits.maxStreams !== undefined && !isKnownUnary(call) ? 'streams' : 'calls';
    const max = kind === 'streams' ? (limits.maxStreams as number) : limits.maxCalls;
    let open = clusters.get(call.cluster);
    if ((open === undefined ? 0 : open[kind]) >= max) {
      options.onRefused?.(head);
      return refuseCall(reply, tooMany(max, kind));
    }
    if (open === undefined) clusters.set(call.cluster, (open = { calls: 0, streams: 0 }));
    open[kind]++;
    const admitted = new AdmittedCall(reply, call, kind, release);
    return admitted.begin(next(head, admitted));
  };
}

function tooMany(max: number, kind: Kind): CallError {
  const message = `${max} ${kind} to this service are open, which is the limit; try again later`;
  return callError(Code.resourceExhausted, message, 'never-sent');
}

class AdmittedCall extends Passage {
  readonly #call: CallContext;
  readonly #cluster: string;
  readonly #kind: Kind;
  readonly #release: (cluster: string, kind: Kind) => void;

  constructor(reply: Reply, call: CallContext, kind: Kind, release: (cluster: string, kind: Kind) => void) {
    super(reply);
    this.#call = call;
    this.#cluster = call.cluster;
    this.#kind = kind;
    this.#release = release;
  }

  protected override release(): void {
    if (this.#call.work === 0) this.#release(this.#cluster, this.#kind);
    else whenWorkEnds(this.#call, () => this.#release(this.#cluster, this.#kind));
  }
}
