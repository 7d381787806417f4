import type { Message } from '@bufbuild/protobuf';
import type { MethodImplSpec } from '@connectrpc/connect';
import { normalize } from '../codec/message-codec.ts';
import { createContext } from './context.ts';
import { intercept } from './intercept.ts';
import { SingleRequestCall } from './single-request-call.ts';

type UnarySpec = Extract<MethodImplSpec, { kind: 'unary' }>;

/** One message in, one message out. */
export class UnaryCall extends SingleRequestCall {
  invoke(message: Message): void {
    const { interceptors } = this.method;
    let output: unknown;
    try {
      output =
        interceptors.length === 0
          ? (this.method.spec as UnarySpec).impl(message, createContext(this))
          : this.intercept(message);
    } catch (error) {
      this.settle(error);
      return;
    }
    if (!isThenable(output)) {
      this.answer(output);
      return;
    }
    output.then(
      (value) => this.answer(value),
      (reason: unknown) => this.settle(reason),
    );
  }

  protected drained(): void {}
  protected closed(): void {}

  private async intercept(message: Message): Promise<unknown> {
    const { desc, spec } = this.method;
    const answer = await intercept(this, { stream: false, message }, async (request) =>
      normalize(desc.output, await (spec as UnarySpec).impl(request.message as Message, createContext(this, request))),
    );
    answer.trailer();
    return answer.message;
  }

  private settle(reason: unknown): void {
    this.endWork();
    this.fail(reason);
  }

  private answer(output: unknown): void {
    this.endWork();
    if (this.isOver()) return;
    let compressing: Promise<void> | undefined;
    try {
      compressing = this.send(output);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (compressing === undefined) {
      this.succeed();
      return;
    }
    compressing.then(
      () => this.succeed(),
      (reason: unknown) => this.fail(reason),
    );
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
