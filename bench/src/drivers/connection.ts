import { connect, type Socket } from 'node:net';
import { ResponseReader, type HttpAnswer } from '../grpc-web/response-reader.ts';

/** Shared by all connections of a process: what is read is used up before the next read. */
const readBuffer = Buffer.allocUnsafe(64 * 1024);

const RECONNECT_MS = 50;

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** It can take a request. Also called after each reconnect. */
  onIdle(connection: Connection): void;
  onAnswer(connection: Connection, answer: HttpAnswer): void;
  /** The request under way gets no answer. */
  onLost(connection: Connection, why: string): void;
}

/** `connecting`, then `idle` and `busy` in turn; `closed` is the end, until then it connects again by itself. */
type State = 'connecting' | 'idle' | 'busy' | 'closed';

/** A keep-alive connection with one request at a time. */
export class Connection {
  /** The driver's own notes on the request under way. */
  callId = '';
  startedMs = 0;
  /** The request, written over for each call. */
  request: Buffer = Buffer.alloc(0);
  #state: State = 'connecting';
  #socket: Socket;
  #reader = new ResponseReader();
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = this.#open();
  }

  isIdle(): boolean {
    return this.#state === 'idle';
  }

  isBusy(): boolean {
    return this.#state === 'busy';
  }

  /** Sends the request. Only while idle. */
  send(): void {
    this.#state = 'busy';
    this.#socket.write(this.request);
  }

  close(): void {
    this.#state = 'closed';
    this.#socket.destroy();
  }

  #open(): Socket {
    const { host, port } = this.#options;
    const callback = (length: number): boolean => {
      this.#read(readBuffer.subarray(0, length));
      return true;
    };
    const socket = connect({ host, port, noDelay: true, onread: { buffer: readBuffer, callback } });
    let why = 'the connection was closed';
    socket.once('connect', () => this.#becomeIdle());
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.once('close', () => this.#lost(why));
    return socket;
  }

  #read(bytes: Buffer): void {
    try {
      if (this.#state !== 'busy') throw new Error('bytes that nobody asked for');
      const answer = this.#reader.read(bytes);
      if (answer === undefined) return;
      this.#options.onAnswer(this, answer);
    } catch (error) {
      // Its end tells the driver, with the reason.
      this.#socket.destroy(error as Error);
      return;
    }
    this.#becomeIdle();
  }

  #becomeIdle(): void {
    if (this.#state === 'closed') return;
    this.#state = 'idle';
    this.#options.onIdle(this);
  }

  #lost(why: string): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'busy') this.#options.onLost(this, why);
    this.#state = 'connecting';
    this.#reader = new ResponseReader();
    setTimeout(() => {
      if (this.#state === 'connecting') this.#socket = this.#open();
    }, RECONNECT_MS);
  }
}
