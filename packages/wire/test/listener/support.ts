import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { systemClock, type Reply, type RequestHead, type Service } from '@bascule/core';
import { listen, type Listener, type ListenOptions } from '../../src/listener.ts';

/** A listener that the test need not close. */
export async function startListener(service: Service, options: Partial<ListenOptions> = {}): Promise<Listener> {
  const listener = await listen({ host: '127.0.0.1', port: 0, clock: systemClock, service, ...options });
  onTestFinished(() => listener.close(0));
  return listener;
}

/** Answers each whole request at once. */
export function answering(answer: (head: RequestHead, reply: Reply, body: Buffer) => void): Service {
  return (head, reply) => {
    const chunks: Buffer[] = [];
    return {
      write(bytes) {
        chunks.push(Buffer.from(bytes));
        reply.grant(bytes.length);
      },
      end: () => answer(head, reply, Buffer.concat(chunks)),
      cancel() {},
      grant() {},
    };
  };
}

/** Says which request it answers. */
export const naming = answering((head, reply, body) => {
  reply.head({ status: 200, fields: ['content-type', 'text/plain', 'x-path', head.path] });
  reply.write(Buffer.from(`${head.method} ${head.path} ${body.toString('latin1')}`));
  reply.end([]);
});

/** A plain socket that keeps all it reads. */
export interface RawClient {
  readonly socket: Socket;
  write(text: string): void;
  text(): string;
  /** Resolves when the text matches; rejects when the connection closes before. */
  until(pattern: RegExp | ((text: string) => boolean)): Promise<string>;
  /** All text, once the peer has closed. */
  closed(): Promise<string>;
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  let text = '';
  const ending = { isClosed: false };
  let wake: () => void = () => {};
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ending.isClosed = true;
    wake();
  });
  await once(socket, 'connect');
  onTestFinished(() => void socket.destroy());
  const change = (): Promise<void> => new Promise((resolve) => void (wake = resolve));
  return {
    socket,
    write: (bytes) => void socket.write(bytes, 'latin1'),
    text: () => text,
    async until(pattern) {
      const matches = typeof pattern === 'function' ? pattern : (all: string) => pattern.test(all);
      while (!matches(text)) {
        if (ending.isClosed) throw new Error(`closed after ${JSON.stringify(text)}`);
        await change();
      }
      return text;
    },
    async closed() {
      while (!ending.isClosed) await change();
      return text;
    },
  };
}
