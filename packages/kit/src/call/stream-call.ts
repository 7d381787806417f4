import type { Message } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { runFor } from './ambient.ts';
import { createContext, type SeenRequest } from './context.ts';
import { HandlerCall } from './handler-call.ts';
import { intercept } from './intercept.ts';
import { ensureSingle, normalizeAll, streamOf } from './messages.ts';
import { RequestStream } from './request-stream.ts';
import { close, drain, ResponsePump } from './response-pump.ts';
import { undeclared } from './single-request-call.ts';
import type { CallStart } from './start.ts';

/**
 * A call whose handler, or whose interceptors, see its request before all of it has come: client streams, bidi
 * streams, and server streams with interceptors.
 */
export class StreamCall extends HandlerCall {
  private readonly requests: RequestStream;
  private pump: ResponsePump | undefined = undefined;

  constructor(start: CallStart) {
    super(start);
    this.requests = new RequestStream({
      decode: (bytes) => this.codec.decode(bytes),
      decompress: (bytes) => this.decompress(bytes),
      consumed: (bytes) => this.consumed(bytes),
    });
  }

  override write(bytes: Uint8Array): void {
    super.write(bytes);
    this.requests.received(bytes.length);
  }

  frame(flags: number, message: Uint8Array): void {
    this.requests.push(flags, message);
  }

  end(): void {
    if (this.reader.isAtBoundary()) this.requests.end();
    else this.requests.fail(new ConnectError('protocol error: incomplete envelope', Code.InvalidArgument));
  }

  /** The handler hears of it at its next read. */
  override broken(error: ConnectError): void {
    this.requests.fail(error);
  }

  protected ready(): void {
    // A handler may answer at once, which is too early inside of the start of a call.
    queueMicrotask(() => {
      if (!this.isOver()) runFor(this, run, undefined);
    });
  }

  protected drained(): void {
    if (this.pump !== undefined) runFor(this, drain, this.pump);
  }

  protected closed(reason: unknown): void {
    this.requests.fail(reason ?? new ConnectError('the call is over', Code.Canceled));
    if (this.pump !== undefined) runFor(this, close, this.pump);
  }

  run(): void {
    this.startWork();
    this.start().then(
      (pump) => {
        this.pump = pump;
        pump.start();
      },
      (reason: unknown) => {
        this.endWork();
        this.fail(reason);
      },
    );
  }

  private async start(): Promise<ResponsePump> {
    if (this.method.interceptors.length === 0) return new ResponsePump(this, await this.invoke(this.requests));
    const content = { stream: true, message: this.requests };
    const answer = await intercept(this, content, async (request) => {
      const outputs = await this.invoke(request.message as AsyncIterable<Message>, request);
      return normalizeAll(this.method.desc.output, outputs);
    });
    return new ResponsePump(this, answer.message as AsyncIterable<Message>, () => answer.trailer());
  }

  /** Runs the handler; its answer as a stream, whatever its kind. */
  private async invoke(requests: AsyncIterable<Message>, request?: SeenRequest): Promise<AsyncIterable<unknown>> {
    const { spec } = this.method;
    switch (spec.kind) {
      case 'client_streaming':
        return streamOf(await spec.impl(requests, createContext(this, request)));
      case 'bidi_streaming':
        return spec.impl(requests, createContext(this, request));
      case 'server_streaming':
        return spec.impl(await ensureSingle(requests), createContext(this, request));
      case 'unary':
      default:
        throw new Error(`a ${spec.kind} call is no stream`);
    }
  }

  private decompress(bytes: Uint8Array): Promise<Uint8Array> {
    const { request } = this.encodings;
    return request?.decompress(bytes, this.method.readMaxBytes) ?? Promise.reject(undeclared());
  }
}

function run(call: StreamCall): void {
  call.run();
}
