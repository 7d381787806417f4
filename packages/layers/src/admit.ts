import {
  callError,
  Code,
  whenWorkEnds,
  type CallContext,
  type CallError,
  type Layer,
  type Reply,
  type RequestHead,
} from '@bascule/core';
import { Passage } from './passage.ts';
import { refuseCall } from './refusal.ts';

export interface AdmitOptions {
  /** Open calls and streams that the call's cluster may have, this one included. */
  maxOpenOf(head: RequestHead): number;
}

/**
 * Refuses calls of a cluster that has too many open, before they cost anything inside. A call counts until the work for
 * it has ended, which for one that was cancelled may be later. Stands outside of retry.
 */
export function createAdmitLayer(options: AdmitOptions): Layer {
  const open = new Map<string, number>();
  const release = (cluster: string): void => {
    const count = (open.get(cluster) ?? 1) - 1;
    // Clusters come and go with deployments: none may leave an entry behind.
    if (count === 0) open.delete(cluster);
    else open.set(cluster, count);
  };
  return (next) => (head, reply) => {
    const { cluster } = head.call;
    const count = open.get(cluster) ?? 0;
    const maxOpen = options.maxOpenOf(head);
    if (count >= maxOpen) return refuseCall(reply, tooMany(maxOpen));
    open.set(cluster, count + 1);
    const admitted = new AdmittedCall(reply, head.call, release);
    return admitted.begin(next(head, admitted));
  };
}

function tooMany(maxOpen: number): CallError {
  const message = `${maxOpen} calls to this service are open, which is the limit; try again later`;
  return callError(Code.resourceExhausted, message, 'never-sent');
}

class AdmittedCall extends Passage {
  readonly #call: CallContext;
  readonly #release: (cluster: string) => void;

  constructor(reply: Reply, call: CallContext, release: (cluster: string) => void) {
    super(reply);
    this.#call = call;
    this.#release = release;
  }

  protected override release(): void {
    const { cluster, work } = this.#call;
    if (work === 0) this.#release(cluster);
    else whenWorkEnds(this.#call, () => this.#release(cluster));
  }
}
