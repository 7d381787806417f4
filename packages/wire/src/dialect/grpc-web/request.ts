import { callError, Code } from '@bascule/core';
import { Base64Decoder } from '../base64.ts';
import { FramedRequest } from '../framed-request.ts';

const BROKEN_TEXT = 'the request body is not base64; send application/grpc-web for bytes as they are';

/** A request in text mode: base64 of the same messages. */
export class TextRequest extends FramedRequest {
  private readonly decoder = new Base64Decoder();

  override write(text: Uint8Array): void {
    if (!this.response.isOpen()) return;
    const pending = this.decoder.pending;
    const bytes = this.decoder.decode(text);
    if (bytes === undefined) {
      this.refuse(callError(Code.internal, BROKEN_TEXT));
      return;
    }
    // The callee grants for bytes; what text is longer than bytes would shrink the caller's window to nothing.
    const overhead = pending + text.length - this.decoder.pending - bytes.length;
    if (bytes.length > 0) super.write(bytes);
    if (overhead > 0) this.response.grant(overhead);
  }

  override end(): void {
    if (this.decoder.isAtBoundary()) super.end();
    else this.refuse(callError(Code.internal, BROKEN_TEXT));
  }
}
