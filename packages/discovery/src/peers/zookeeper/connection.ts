import type { Socket } from 'node:net';
import type { Clock } from '@bascule/core';
import type { TlsMaterial } from '../../spec.ts';
import { AuthRefused, HandshakeRefused, SessionExpired } from './errors.ts';
import { FrameReader } from './frames.ts';
import { JuteReader } from './jute-reader.ts';
import { Liveness } from './liveness.ts';
import type { Operation } from './operations.ts';
import {
  CLOSE_SESSION,
  decodeEvent,
  decodeGreeting,
  decodeReplyHeader,
  encodeAuth,
  encodeGreeting,
  encodePing,
  encodeRequest,
  NO_SESSION,
  XID,
  type ReplyHeader,
  type SessionIdentity,
  type WatchEvent,
} from './packets.ts';
import { Requests } from './requests.ts';
import { openSocket } from './socket.ts';

export interface ConnectionOptions {
  /** `host:port`. */
  readonly server: string;
  /** Undefined: without TLS. */
  readonly tls: TlsMaterial | undefined;
  readonly clock: Clock;
  /** What a new session asks for. */
  readonly timeoutMs: number;
  /** The session that goes on; undefined begins one. */
  readonly identity: SessionIdentity | undefined;
  /** A server that has not come so far refuses us: it would show us the past. */
  readonly lastZxid: bigint;
  /** `user:password`, for ZooKeeper's scheme "digest". */
  readonly digest: string | undefined;
}

type State =
  | { readonly name: 'greeting' }
  | { readonly name: 'authenticating' }
  | { readonly name: 'open' }
  | { readonly name: 'closed'; readonly why: Error };

const GOODBYE_MS = 1_000;

/**
 * One connection to one server. ZooKeeper's protocol is written here: the native client of npm can take the process
 * down and wants a compiler where nothing is prebuilt, and the one in JavaScript has been abandoned since 2022.
 */
export class Connection {
  /** Resolves when requests can be made. Rejects with SessionExpired, AuthRefused, HandshakeRefused, or what happened. */
  readonly opened: Promise<void>;
  /** Resolves with the reason when the connection is over. Never rejects. */
  readonly ended: Promise<Error>;
  /** The last change that the server had seen when it answered. */
  lastZxid: bigint;
  identity: SessionIdentity;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #liveness: Liveness;
  readonly #frames = new FrameReader();
  readonly #requests = new Requests();
  readonly #opened = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Error>();
  #state: State = { name: 'greeting' };
  #listener: (event: WatchEvent) => void = () => undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.lastZxid = options.lastZxid;
    this.identity = options.identity ?? NO_SESSION;
    this.opened = this.#opened.promise;
    this.opened.catch(() => undefined);
    this.ended = this.#ended.promise;
    this.#socket = openSocket(options.server, options.tls);
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', (error: NodeJS.ErrnoException) =>
      this.#fail(error.message || (error.code ?? 'no reason')),
    );
    this.#socket.on('close', () => this.destroy(this.#whyClosed()));
    this.#liveness = new Liveness(options.clock, {
      ping: () => this.#socket.write(encodePing()),
      giveUp: (why) => this.#fail(why),
    });
    this.#socket.write(encodeGreeting(this.identity, this.lastZxid, options.timeoutMs));
  }

  isOpen(): boolean {
    return this.#state.name === 'open';
  }

  /** Who hears of watches from now on. */
  listen(listener: (event: WatchEvent) => void): void {
    this.#listener = listener;
  }

  /** Rejects with ZookeeperError, or with the reason why the connection is over. Answers come in the order of requests. */
  request<T>(operation: Operation<T>): Promise<T> {
    if (this.#state.name === 'closed') return Promise.reject(this.#state.why);
    const { xid, answered } = this.#requests.add(operation);
    this.#socket.write(encodeRequest(xid, operation));
    return answered;
  }

  /** Ends the session as well, so that its ephemeral nodes go at once. */
  async close(): Promise<void> {
    if (this.isOpen()) {
      this.#liveness.endWithin(GOODBYE_MS);
      await this.request(CLOSE_SESSION).catch(() => undefined);
    }
    this.destroy(new Error('the connection is closed'));
  }

  /** Ends the connection at once; the session goes on until its time is over. */
  destroy(why: Error): void {
    if (this.#state.name === 'closed') return;
    this.#state = { name: 'closed', why };
    this.#liveness.end();
    this.#socket.destroy();
    this.#opened.reject(why);
    this.#requests.rejectAll(why);
    this.#ended.resolve(why);
  }

  #fail(message: string): void {
    this.destroy(new Error(`ZooKeeper at ${this.#options.server}: ${message}`));
  }

  #receive(chunk: Buffer): void {
    this.#liveness.heard();
    try {
      for (const frame of this.#frames.push(chunk)) this.#hear(new JuteReader(frame));
    } catch (error) {
      if (error instanceof SessionExpired) this.destroy(error);
      else this.#fail((error as Error).message);
    }
  }

  #hear(reader: JuteReader): void {
    switch (this.#state.name) {
      case 'greeting':
        return this.#hearGreeting(reader);
      case 'authenticating':
      case 'open':
        return this.#hearReply(decodeReplyHeader(reader), reader);
      case 'closed':
        return undefined;
    }
  }

  #hearGreeting(reader: JuteReader): void {
    this.identity = decodeGreeting(reader);
    this.#liveness.begin(this.identity.timeoutMs);
    const { digest } = this.#options;
    if (digest === undefined) return this.#open();
    this.#state = { name: 'authenticating' };
    this.#socket.write(encodeAuth(digest));
  }

  #open(): void {
    this.#state = { name: 'open' };
    this.#opened.resolve();
  }

  #hearReply(header: ReplyHeader, reader: JuteReader): void {
    if (header.zxid > this.lastZxid) this.lastZxid = header.zxid;
    switch (header.xid) {
      case XID.ping:
        return undefined;
      case XID.event: {
        const event = decodeEvent(reader);
        if (event !== undefined) this.#listener(event);
        return undefined;
      }
      case XID.auth:
        if (header.code === 0) return this.#open();
        return this.destroy(new AuthRefused(`ZooKeeper at ${this.#options.server} refuses the credentials`));
      default:
        return this.#requests.answer(header, reader);
    }
  }

  #whyClosed(): Error {
    const { server } = this.#options;
    if (this.#state.name !== 'greeting') return new Error(`ZooKeeper at ${server} has closed the connection`);
    return new HandshakeRefused(
      `ZooKeeper at ${server} closes the connection instead of answering: ` +
        'it does not serve yet, knows less than we have seen, or has too many connections',
    );
  }
}
