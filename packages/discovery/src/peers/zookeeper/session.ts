import type { Clock } from '@bascule/core';
import type { TlsMaterial } from '../../spec.ts';
import { createBackoff, FULL_JITTER, waitFor } from '../../waiting.ts';
import { abortable } from '../abortable.ts';
import { Connection } from './connection.ts';
import { AuthRefused, HandshakeRefused, SessionExpired } from './errors.ts';
import type { SessionIdentity } from './packets.ts';

export interface SessionOptions {
  /** Each `host:port`. */
  readonly servers: readonly string[];
  readonly tls: TlsMaterial | undefined;
  readonly clock: Clock;
  /** How long the session is to last without a word. Servers allow 2 to 20 of their ticks, mostly of 2 s. */
  readonly timeoutMs: number;
  /** `user:password`, for ZooKeeper's scheme "digest". */
  readonly digest: string | undefined;
}

/** How a session stands. `expired`: the next connection begins a new one. */
type State =
  | { readonly name: 'connecting'; readonly identity: SessionIdentity | undefined }
  | { readonly name: 'connected'; readonly identity: SessionIdentity; readonly connection: Connection }
  | { readonly name: 'disconnected'; readonly identity: SessionIdentity | undefined; readonly why: Error }
  | { readonly name: 'expired'; readonly why: Error }
  | { readonly name: 'auth-failed'; readonly identity: SessionIdentity | undefined; readonly why: Error }
  | { readonly name: 'closed'; readonly why: Error };

type Happening =
  | { readonly type: 'attempt' }
  | { readonly type: 'opened'; readonly connection: Connection }
  | { readonly type: 'ended'; readonly why: Error }
  | { readonly type: 'closed' };

function next(state: State, happening: Happening): State {
  if (state.name === 'closed') return state;
  const identity = 'identity' in state ? state.identity : undefined;
  if (happening.type === 'attempt') return { name: 'connecting', identity };
  if (happening.type === 'closed') return { name: 'closed', why: new Error('the session is closed') };
  if (happening.type === 'opened') {
    const { connection } = happening;
    return { name: 'connected', identity: connection.identity, connection };
  }
  const { why } = happening;
  if (why instanceof SessionExpired) return { name: 'expired', why };
  return { name: why instanceof AuthRefused ? 'auth-failed' : 'disconnected', identity, why };
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;
/** A connection that lasted so long was one; servers that take us and drop us again are not asked without a pause. */
const STEADY_MS = 5_000;

/**
 * A session: it outlives its connections, as long as one of the servers is reached in time. When it has expired, a new
 * one is begun. Begins with the first call of `connected`.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #closing = new AbortController();
  #state: State = { name: 'connecting', identity: undefined };
  #running: Promise<void> | undefined;
  /** Settles with the attempt that is under way, or about to be. */
  #attempt = Promise.withResolvers<Connection>();
  #lastZxid = 0n;
  /** Servers in a row that would not even greet us. */
  #refusals = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#attempt.promise.catch(() => undefined);
  }

  /** The connection there is, or that of the next attempt. Rejects with the reason when that fails, or `signal` aborts. */
  async connected(signal: AbortSignal): Promise<Connection> {
    this.#running ??= this.#run();
    if (this.#state.name === 'connected') return this.#state.connection;
    if (this.#state.name === 'closed') throw this.#state.why;
    return abortable(this.#attempt.promise, signal);
  }

  /** Ends the session, and its ephemeral nodes with it. */
  async close(): Promise<void> {
    const before = this.#state;
    this.#happen({ type: 'closed' });
    if (before.name === 'connected') await before.connection.close();
    this.#closing.abort();
    await this.#running;
  }

  #happen(happening: Happening): void {
    this.#state = next(this.#state, happening);
  }

  async #run(): Promise<void> {
    const { servers, clock } = this.#options;
    const backoff = createBackoff(clock, FIRST_RETRY_MS, MAX_RETRY_MS, FULL_JITTER);
    let turn = Math.floor(clock.random() * servers.length);
    while (this.#state.name !== 'closed') {
      const startedMs = clock.nowMs();
      const why = await this.#connect(servers[turn++ % servers.length] as string);
      this.#countRefusal(why);
      this.#happen({ type: 'ended', why });
      if (clock.nowMs() - startedMs >= STEADY_MS) backoff.reset();
      await waitFor(clock, Math.min(backoff.next(), this.#patienceMs()), this.#closing.signal);
    }
    this.#attempt.reject(new Error('the session is closed'));
  }

  /** Whoever waited longer might come back to a session that has expired. */
  #patienceMs(): number {
    const identity = 'identity' in this.#state ? this.#state.identity : undefined;
    return (identity?.timeoutMs ?? this.#options.timeoutMs) / 4;
  }

  /** One connection, from its begin to its end. Resolves with why it has ended, or was none. */
  async #connect(server: string): Promise<Error> {
    this.#happen({ type: 'attempt' });
    const identity = this.#state.name === 'connecting' ? this.#state.identity : undefined;
    const connection = new Connection({ ...this.#options, server, identity, lastZxid: this.#lastZxid });
    const end = (): void => connection.destroy(new Error('the session is closed'));
    this.#closing.signal.addEventListener('abort', end);
    const attempt = this.#attempt;
    try {
      await connection.opened;
      this.#happen({ type: 'opened', connection });
      attempt.resolve(connection);
      return await connection.ended;
    } catch (error) {
      attempt.reject(error);
      return error as Error;
    } finally {
      this.#closing.signal.removeEventListener('abort', end);
      this.#lastZxid = connection.lastZxid;
      this.#renewAttempt();
    }
  }

  #renewAttempt(): void {
    this.#attempt = Promise.withResolvers<Connection>();
    this.#attempt.promise.catch(() => undefined);
  }

  /** When no server has come as far as we have, they have lost a part of the history: what is left of it has to do. */
  #countRefusal(why: Error): void {
    this.#refusals = why instanceof HandshakeRefused ? this.#refusals + 1 : 0;
    if (this.#refusals > this.#options.servers.length) this.#lastZxid = 0n;
  }
}
