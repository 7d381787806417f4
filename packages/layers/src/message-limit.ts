import { callError, Code, MessageCounter, type Body, type Layer, type Reply } from '@bascule/core';
import { Passage } from './passage.ts';

/**
 * Ends calls with a message that is longer than `policy.maxRequestBytes` or `policy.maxResponseBytes` allow:
 * `resource_exhausted`, as soon as the message says how long it will be, and nothing of it goes on. Messages are measured
 * as they go over the wire. Stands outside of retry: another attempt would bring the same. Source: service_config.proto,
 * `max_request_message_bytes`.
 */
export function createMessageLimitLayer(): Layer {
  return (next) => (head, reply) => {
    const { maxRequestBytes, maxResponseBytes } = head.call.policy;
    if (maxRequestBytes === undefined && maxResponseBytes === undefined) return next(head, reply);
    const call = new MeasuredCall(reply, maxRequestBytes ?? Infinity, maxResponseBytes ?? Infinity);
    return call.begin(next(head, call));
  };
}

class MeasuredCall extends Passage {
  readonly #maxRequestBytes: number;
  readonly #maxResponseBytes: number;
  readonly #requests = new MessageCounter();
  readonly #responses = new MessageCounter();

  constructor(reply: Reply, maxRequestBytes: number, maxResponseBytes: number) {
    super(reply);
    this.#maxRequestBytes = maxRequestBytes;
    this.#maxResponseBytes = maxResponseBytes;
  }

  override begin(body: Body): Body {
    const inner = super.begin(body);
    return {
      write: (bytes) => {
        this.#requests.count(bytes);
        if (this.#requests.longest > this.#maxRequestBytes) this.#refuse('request', this.#requests.longest);
        else inner.write(bytes);
      },
      end: () => inner.end(),
      cancel: (reason) => inner.cancel(reason),
      grant: (bytes) => inner.grant(bytes),
    };
  }

  override write(bytes: Uint8Array): void {
    this.#responses.count(bytes);
    if (this.#responses.longest > this.#maxResponseBytes) this.#refuse('response', this.#responses.longest);
    else super.write(bytes);
  }

  #refuse(side: 'request' | 'response', bytes: number): void {
    const body = this.over();
    if (body === undefined) return;
    body.cancel('protocol-error');
    const max = side === 'request' ? this.#maxRequestBytes : this.#maxResponseBytes;
    const message = `a ${side} message of ${bytes} bytes is longer than the ${max} that this method allows`;
    this.reply.fail(callError(Code.resourceExhausted, message));
  }
}
