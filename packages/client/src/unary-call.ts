import type { DescMethodUnary } from '@bufbuild/protobuf';
import { Code, ConnectError, type UnaryResponse } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { RpcCall, type RpcCallParts } from './rpc-call.ts';

/** One message there, one back. */
export class UnaryCall extends RpcCall {
  readonly #method: DescMethodUnary;
  readonly #answered = Promise.withResolvers<UnaryResponse>();
  #bytes: Uint8Array | undefined = undefined;
  #compression: Compression | undefined = undefined;

  constructor(parts: RpcCallParts, method: DescMethodUnary) {
    super(parts);
    this.#method = method;
  }

  run(flags: number, bytes: Uint8Array): Promise<UnaryResponse> {
    this.begin();
    this.send(flags, bytes);
    this.endRequest();
    return this.#answered.promise;
  }

  protected onHead(): void {}

  protected onBytes(bytes: Uint8Array, compression: Compression | undefined): void {
    if (this.#bytes !== undefined) {
      const error = new ConnectError('the server sent a second message for a unary method', Code.Unimplemented);
      return this.abandon(error, 'protocol-error');
    }
    this.#bytes = bytes;
    this.#compression = compression;
  }

  protected onEnd(error: ConnectError | undefined): void {
    const bytes = this.#bytes;
    if (error !== undefined) this.#answered.reject(error);
    else if (bytes === undefined) {
      const missing = new ConnectError('the server sent no message for a unary method', Code.Unimplemented);
      this.#answered.reject(missing);
    } else if (this.#compression !== undefined) {
      this.#answered.resolve(this.#decompress(bytes, this.#compression));
    } else this.#parse(bytes);
  }

  async #decompress(bytes: Uint8Array, compression: Compression): Promise<UnaryResponse> {
    return this.#toResponse(await compression.decompress(bytes, this.parts.plan.readMaxBytes));
  }

  #parse(bytes: Uint8Array): void {
    try {
      this.#answered.resolve(this.#toResponse(bytes));
    } catch (thrown) {
      this.#answered.reject(thrown);
    }
  }

  #toResponse(bytes: Uint8Array): UnaryResponse {
    const { header, trailer } = this;
    const method = this.#method;
    return {
      stream: false,
      service: method.parent,
      method,
      message: this.parts.plan.parse(bytes),
      // Own properties, since interceptors spread responses, and only made when looked at.
      get header() {
        return header.get();
      },
      get trailer() {
        return trailer.get();
      },
    };
  }
}
