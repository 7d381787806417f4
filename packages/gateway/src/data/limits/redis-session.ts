import { createClient } from '@redis/client';
import type { Clock } from '@bascule/core';
import { afterPatiently } from './patience.ts';
import { TAKE_SCRIPT } from './script.ts';

export interface SessionOptions {
  /** `redis[s]://[user[:password]@]host[:port][/database]`. */
  readonly url: string;
  /** PEM of whom to trust for `rediss`; undefined trusts whom Node does. */
  readonly ca: string | undefined;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** The connection is lost, once. */
  onLost(reason: string): void;
}

/** One connection, from its making to its loss: reconnecting is not its business. */
export interface Session {
  /** Runs the script once for all keys; rejects when it could not. */
  take(keys: readonly string[], values: readonly string[]): Promise<readonly number[]>;
  destroy(): void;
}

/** Resolves when Redis has let us in and knows the script; rejects with the reason for people. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { url, ca, clock, connectTimeoutMs } = options;
  const client = createClient({
    url,
    disableOfflineQueue: true,
    // One that comes back by itself would do so at a time of its own, and answer what nobody waits for any more.
    socket: {
      reconnectStrategy: false,
      connectTimeout: connectTimeoutMs,
      ...(ca !== undefined && url.startsWith('rediss:') && { tls: true as const, ca }),
    },
    maintNotifications: 'disabled',
    disableClientInfo: true,
  });
  let isOver = false;
  let isOpen = false;
  const destroy = (): void => {
    if (isOver) return;
    isOver = true;
    // It throws where it has given up by itself already.
    if (client.isOpen) client.destroy();
  };
  const lose = (reason: string): void => {
    const wasOpen = isOpen && !isOver;
    destroy();
    if (wasOpen) options.onLost(reason);
  };
  // Without a listener an error would end the process.
  client.on('error', (error: Error) => lose(error.message || 'the connection was lost'));
  client.on('end', () => lose('the connection was closed'));

  const open = async (): Promise<string> => {
    await client.connect();
    return client.scriptLoad(TAKE_SCRIPT);
  };
  try {
    // A process that is stopped still accepts connections, and answers nothing.
    const sha = await inTime(clock, connectTimeoutMs, open());
    isOpen = true;
    return {
      async take(keys, values) {
        const answer = await client.evalSha(sha, { keys: [...keys], arguments: [...values] });
        if (!Array.isArray(answer) || answer.length !== keys.length) throw new Error('an answer that is none');
        return answer.map(Number);
      },
      destroy,
    };
  } catch (error) {
    destroy();
    throw error;
  }
}

/** Rejects when it takes longer. */
export async function inTime<T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = afterPatiently(clock, timeoutMs, () => late.reject(new Error('it does not answer in time')));
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}
