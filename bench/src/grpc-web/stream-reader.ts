import { readField } from './response-reader.ts';

export interface StreamListener {
  onMessage(message: Buffer): void;
  /** The frame of trailers, as text. Nothing may follow. */
  onTrailers(trailers: string): void;
}

/** Where the next bytes belong. */
type State = 'head' | 'body' | 'over';

/** Reads a chunked gRPC-Web answer as it comes, cut anywhere. Throws what is wrong with it. */
export class StreamReader {
  #state: State = 'head';
  #raw: Buffer = Buffer.alloc(0);
  #frames: Buffer = Buffer.alloc(0);
  readonly #listener: StreamListener;

  constructor(listener: StreamListener) {
    this.#listener = listener;
  }

  read(bytes: Buffer): void {
    this.#raw = Buffer.concat([this.#raw, bytes]);
    if (this.#state === 'head' && !this.#readHead()) return;
    while (this.#readChunk()) {
      // One chunk after the other.
    }
    while (this.#readFrame()) {
      // One frame after the other.
    }
  }

  #readHead(): boolean {
    const end = this.#raw.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.#raw.toString('latin1', 0, end + 2).toLowerCase();
    this.#raw = this.#raw.subarray(end + 4);
    this.#state = 'body';
    const status = head.slice(9, 12);
    const code = readField(head, 'grpc-status');
    if (status !== '200') throw new Error(`HTTP ${status}`);
    if (code !== undefined) throw new Error(`code ${code}: ${readField(head, 'grpc-message') ?? ''}`);
    if (readField(head, 'transfer-encoding') !== 'chunked') throw new Error('a stream that is not chunked');
    return true;
  }

  #readChunk(): boolean {
    const lineEnd = this.#raw.indexOf('\r\n');
    if (lineEnd < 0) return false;
    const length = Number.parseInt(this.#raw.toString('latin1', 0, lineEnd), 16);
    const start = lineEnd + 2;
    if (this.#raw.length < start + length + 2) return false;
    this.#frames = Buffer.concat([this.#frames, this.#raw.subarray(start, start + length)]);
    this.#raw = this.#raw.subarray(start + length + 2);
    return length > 0;
  }

  #readFrame(): boolean {
    if (this.#frames.length < 5) return false;
    const end = 5 + this.#frames.readUInt32BE(1);
    if (this.#frames.length < end) return false;
    if (this.#state === 'over') throw new Error('a frame behind the trailers');
    const frame = this.#frames.subarray(5, end);
    const flags = this.#frames[0] as number;
    this.#frames = this.#frames.subarray(end);
    if (flags === 0) {
      this.#listener.onMessage(frame);
    } else {
      this.#state = 'over';
      this.#listener.onTrailers(frame.toString('latin1'));
    }
    return true;
  }
}
