import type { Message } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { runFor } from './ambient.ts';
import { FLAG_COMPRESSED } from './frame-reader.ts';
import { HandlerCall } from './handler-call.ts';

/**
 * - `receiving`: neither the end of the request nor the start of its handling have come
 * - `ready`: may be handled as soon as it has ended
 * - `ended`: has ended, and waits for the gate
 * - `handled`
 */
type Stage = 'receiving' | 'ready' | 'ended' | 'handled';

/** A call whose request is one message: read whole, then handled. */
export abstract class SingleRequestCall extends HandlerCall {
  private stage: Stage = 'receiving';
  private bytes: Uint8Array | undefined = undefined;
  private flags = 0;

  /** Runs the handler. */
  abstract invoke(message: Message): void;

  override write(bytes: Uint8Array): void {
    super.write(bytes);
    // A message is read whole, up to its limit, whether or not anybody waits for it yet.
    this.consumed(bytes.length);
  }

  frame(flags: number, message: Uint8Array): void {
    if (this.isOver()) return;
    if (this.bytes !== undefined) {
      this.fail(oneMessage(`received extra input message for ${this.kindName()} method`));
      return;
    }
    this.flags = flags;
    this.bytes = message;
  }

  end(): void {
    if (this.isOver()) return;
    if (!this.reader.isAtBoundary()) {
      this.fail(new ConnectError('protocol error: incomplete envelope', Code.InvalidArgument));
    } else if (this.bytes === undefined) {
      this.fail(oneMessage(`missing input message for ${this.kindName()} method`));
    } else if (this.stage === 'ready') {
      this.handle(this.bytes);
    } else {
      this.stage = 'ended';
    }
  }

  protected ready(): void {
    if (this.stage === 'ended') this.handle(this.bytes as Uint8Array);
    else this.stage = 'ready';
  }

  private handle(bytes: Uint8Array): void {
    this.stage = 'handled';
    this.bytes = undefined;
    if ((this.flags & FLAG_COMPRESSED) !== 0) this.decompress(bytes);
    else this.decode(bytes);
  }

  private decompress(bytes: Uint8Array): void {
    const { request } = this.encodings;
    if (request === undefined) {
      this.fail(undeclared());
      return;
    }
    // Goes on when the caller does not, so its slot stays taken.
    this.startWork();
    request.decompress(bytes, this.method.readMaxBytes).then(
      (decompressed) => {
        this.endWork();
        if (!this.isOver()) this.decode(decompressed);
      },
      (reason: unknown) => {
        this.endWork();
        this.fail(reason);
      },
    );
  }

  private decode(bytes: Uint8Array): void {
    let message: Message;
    try {
      message = this.codec.decode(bytes);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.startWork();
    runFor<SingleRequestCall, Message>(this, invoke, message);
  }

  private kindName(): string {
    return this.method.spec.kind === 'unary' ? 'unary' : 'server-streaming';
  }
}

function invoke(call: SingleRequestCall, message: Message): void {
  call.invoke(message);
}

/** What a caller is told that compresses in an encoding it did not name. */
export function undeclared(): ConnectError {
  return new ConnectError('received compressed envelope, but do not know how to decompress', Code.Internal);
}

/** What a caller is told that sends none or several where one is due. */
export function oneMessage(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what}`, Code.Unimplemented);
}
