import type { Message } from '@bufbuild/protobuf';
import type { MethodImplSpec } from '@connectrpc/connect';
import { runFor } from './ambient.ts';
import { createContext } from './context.ts';
import { close, drain, ResponsePump } from './response-pump.ts';
import { SingleRequestCall } from './single-request-call.ts';

type ServerSpec = Extract<MethodImplSpec, { kind: 'server_streaming' }>;

/** One message in, many out, without interceptors: those see a stream's request before it has come. */
export class ServerStreamCall extends SingleRequestCall {
  private pump: ResponsePump | undefined = undefined;

  invoke(message: Message): void {
    try {
      const { impl } = this.method.spec as ServerSpec;
      this.pump = new ResponsePump(this, impl(message, createContext(this)));
    } catch (error) {
      this.endWork();
      this.fail(error);
      return;
    }
    this.pump.start();
  }

  protected drained(): void {
    if (this.pump !== undefined) runFor(this, drain, this.pump);
  }

  protected closed(): void {
    if (this.pump !== undefined) runFor(this, close, this.pump);
  }
}
