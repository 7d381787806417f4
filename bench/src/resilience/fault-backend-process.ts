import { openSync, writeSync } from 'node:fs';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom } from '@bascule/core';
import { answerLines, say } from '../drivers/lines.ts';
import { CALL_ID_CHARS } from '../drivers/probe.ts';
import { nowMs } from '../time.ts';

export interface FaultBackendOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly seed: number;
  /** How long a call takes. */
  readonly delayMs: { readonly min: number; readonly max: number };
  /** Gets id and moment of each call before it is worked on, so that it is known after a kill what was executed. */
  readonly journal: string;
}

/** How it treats calls from now on. */
export interface Mood {
  /** Share of calls that fail with `unavailable` in trailers, after a head. */
  readonly failShare?: number;
  /** Factor of `delayMs`. */
  readonly slowness?: number;
}

export type FaultCommand =
  | ({ readonly do: 'mood' } & Mood)
  /** GOAWAY on every connection, no new ones; what runs is served. The same port is taken again afterwards. */
  | { readonly do: 'drain'; readonly forMs: number };

/** Before the first byte of the call id: a field's tag and a length, behind the prefix of the message. */
const ID_AT = 7;

/** Echoes unary calls over Node's own HTTP/2, so that every frame of a failure is as it was meant. */
export async function run(options: FaultBackendOptions): Promise<void> {
  const random = createRandom(options.seed);
  const journal = openSync(options.journal, 'a');
  const sessions = new Set<ServerHttp2Session>();
  let mood: Required<Mood> = { failShare: 0, slowness: 1 };

  function answer(stream: ServerHttp2Stream, message: Buffer): void {
    if (stream.destroyed || stream.closed) return;
    const fails = random() < mood.failShare;
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': fails ? '14' : '0' }));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
    stream.end(fails ? undefined : message);
  }

  function onStream(stream: ServerHttp2Stream): void {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.once('end', () => {
      const message = Buffer.concat(chunks);
      writeSync(journal, `${message.toString('latin1', ID_AT, ID_AT + CALL_ID_CHARS)} ${nowMs()}\n`);
      const { min, max } = options.delayMs;
      setTimeout(() => answer(stream, message), (min + random() * (max - min)) * mood.slowness);
    });
  }

  function listen(port: number): Promise<Http2Server> {
    const server = createServer();
    server.on('stream', onStream).on('session', (session) => {
      sessions.add(session);
      session.on('error', () => undefined).once('close', () => sessions.delete(session));
    });
    return new Promise((resolve) => void server.listen(port, '127.0.0.1', () => resolve(server)));
  }

  let server = await listen(options.port);
  const { port } = server.address() as AddressInfo;
  say({ port });
  await answerLines(async (line) => {
    const command = line as FaultCommand;
    if (command.do === 'mood') mood = { failShare: command.failShare ?? 0, slowness: command.slowness ?? 1 };
    else {
      server.close();
      for (const session of sessions) session.close();
      await sleep(command.forMs);
      server = await listen(port);
    }
    return {};
  });
}
