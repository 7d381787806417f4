import { connect, type Socket } from 'node:net';
import { encodeChunk, encodeFrame, encodeStreamHead } from '../grpc-web/request.ts';
import { StreamReader } from '../grpc-web/stream-reader.ts';
import { nowMs } from '../time.ts';
import { STREAM_KINDS, type StreamKindName } from './stream-kinds.ts';

/** What can be wrong with a stream. `cut`: ended before its caller ended it. `moved`: went on in another version. */
export type StreamFault = 'failed' | 'cut' | 'gapped' | 'wrong call id' | 'moved' | 'stalled';

export interface StreamOptions {
  readonly host: string;
  readonly port: number;
  readonly kind: StreamKindName;
  readonly callId: string;
  readonly intervalMs: number;
  onFault(fault: StreamFault, why: string): void;
}

/** `ending`: the caller has ended its side and waits for the last answers. */
type State = 'open' | 'ending' | 'ended';

const ENDING_MS = 5_000;

/** One stream on a connection of its own. Every message of it is looked at. */
export class StreamCall {
  messages = 0;
  version = '';
  #state: State = 'open';
  #sent = 0;
  #lastMs = nowMs();
  #sending: NodeJS.Timeout | undefined;
  readonly #ended = Promise.withResolvers<void>();
  readonly #socket: Socket;
  readonly #options: StreamOptions;

  constructor(options: StreamOptions) {
    this.#options = options;
    const { host, port, kind, intervalMs } = options;
    const reader = new StreamReader({
      onMessage: (message) => this.#onMessage(message),
      onTrailers: (trailers) => this.#onTrailers(trailers),
    });
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.write(encodeStreamHead(`${host}:${port}`, STREAM_KINDS[kind].path));
    this.#send();
    if (STREAM_KINDS[kind].sends === 'once') this.#socket.write(encodeChunk(Buffer.alloc(0)));
    else this.#sending = setInterval(() => this.#send(), intervalMs);
    this.#socket.on('data', (bytes) => {
      try {
        reader.read(bytes);
      } catch (error) {
        this.#fault(this.messages === 0 ? 'failed' : 'cut', (error as Error).message);
      }
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => this.#fault(this.messages === 0 ? 'failed' : 'cut', 'the connection was closed'));
  }

  isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Says so when nothing has come for far longer than it should have taken. */
  checkProgress(): void {
    const silentMs = nowMs() - this.#lastMs;
    if (this.#state === 'open' && silentMs > 2_000 + 5 * this.#options.intervalMs) {
      this.#fault('stalled', `no message for ${Math.round(silentMs)} ms`);
    }
  }

  /** Ends it as its caller. A tally must then answer everything it got, and say OK. */
  async end(): Promise<void> {
    if (this.#state !== 'open') return;
    clearInterval(this.#sending);
    if (STREAM_KINDS[this.#options.kind].sends === 'once') return this.#finish();
    this.#state = 'ending';
    this.#socket.write(encodeChunk(Buffer.alloc(0)));
    const timer = setTimeout(() => this.#fault('cut', `no end within ${ENDING_MS} ms`), ENDING_MS);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  #send(): void {
    const { kind, callId, intervalMs } = this.#options;
    this.#sent++;
    this.#socket.write(encodeChunk(encodeFrame(STREAM_KINDS[kind].encode(callId, intervalMs))));
  }

  #onMessage(bytes: Buffer): void {
    if (this.#state === 'ended') return;
    const { kind, callId } = this.#options;
    const message = STREAM_KINDS[kind].decode(bytes);
    this.messages++;
    this.#lastMs = nowMs();
    if (message.callId !== callId) return this.#fault('wrong call id', `a message of ${message.callId}`);
    if (message.sequence !== BigInt(this.messages)) {
      return this.#fault('gapped', `message ${message.sequence} came as number ${this.messages}`);
    }
    if (this.version === '') this.version = message.version;
    if (message.version !== this.version) this.#fault('moved', `from ${this.version} to ${message.version}`);
  }

  #onTrailers(trailers: string): void {
    const isOk = /(?:^|\r\n)grpc-status: ?0\r\n/.test(`${trailers}\r\n`);
    if (this.#state === 'open' || !isOk) return this.#fault('cut', trailers.trim().replaceAll('\r\n', ', '));
    if (this.messages !== this.#sent) {
      return this.#fault('gapped', `${this.messages} answers to ${this.#sent} messages`);
    }
    this.#finish();
  }

  #fault(fault: StreamFault, why: string): void {
    if (this.#state === 'ended') return;
    this.#options.onFault(fault, why);
    this.#finish();
  }

  #finish(): void {
    this.#state = 'ended';
    clearInterval(this.#sending);
    this.#socket.destroy();
    this.#ended.resolve();
  }
}
