import {
  callError,
  Code,
  type Body,
  type CallError,
  type Cancel,
  type Fields,
  type Layer,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';
import { refuseCall } from './refusal.ts';

export interface AdmitOptions {
  /** Open calls and streams that the call's cluster may have, this one included. */
  maxOpenOf(head: RequestHead): number;
}

/** Refuses calls of a cluster that has too many open, before they cost anything inside. Stands outside of retry. */
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
    const admitted = new AdmittedCall(reply, cluster, release);
    admitted.body = next(head, admitted);
    return new AdmittedBody(admitted);
  };
}

function tooMany(maxOpen: number): CallError {
  const message = `${maxOpen} calls to this service are open, which is the limit; try again later`;
  return callError(Code.resourceExhausted, message, 'never-sent');
}

class AdmittedCall implements Reply {
  body: Body | undefined = undefined;
  readonly #reply: Reply;
  readonly #cluster: string;
  readonly #release: (cluster: string) => void;

  constructor(reply: Reply, cluster: string, release: (cluster: string) => void) {
    this.#reply = reply;
    this.#cluster = cluster;
    this.#release = release;
  }

  /** Gives the place back; undefined if that was done before. */
  over(): Body | undefined {
    const body = this.body;
    if (body === undefined) return undefined;
    this.body = undefined;
    this.#release(this.#cluster);
    return body;
  }

  head(head: ResponseHead): void {
    if (this.body !== undefined) this.#reply.head(head);
  }

  write(bytes: Uint8Array): void {
    if (this.body !== undefined) this.#reply.write(bytes);
  }

  end(trailers: Fields): void {
    if (this.over() !== undefined) this.#reply.end(trailers);
  }

  fail(error: CallError): void {
    if (this.over() !== undefined) this.#reply.fail(error);
  }

  grant(bytes: number): void {
    if (this.body !== undefined) this.#reply.grant(bytes);
  }
}

class AdmittedBody implements Body {
  readonly #call: AdmittedCall;

  constructor(call: AdmittedCall) {
    this.#call = call;
  }

  write(bytes: Uint8Array): void {
    this.#call.body?.write(bytes);
  }

  end(): void {
    this.#call.body?.end();
  }

  cancel(reason: Cancel): void {
    this.#call.over()?.cancel(reason);
  }

  grant(bytes: number): void {
    this.#call.body?.grant(bytes);
  }
}
