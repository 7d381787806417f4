import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock, type Service } from '@bascule/core';
import { serve } from '@bascule/server';
import { canJudge } from '@bascule/testing/go-tool';
import { TEST_TLS } from '@bascule/testing/tls';
import { listen } from '@bascule/wire';
import { describe, expect, test } from 'vitest';
import { makeFolder } from '../e2e/rig/folder.ts';
import { startTestGateway } from '../e2e/rig/gateway.ts';
import { echoRoutes } from '../interop/echo-routes.ts';
import { judgeByH2spec } from './judge.ts';

const CASES = 146;

/** A Connect GET: answered with content, and not before the request is whole. */
const PATH = '/e2e.v1.EchoService/Say?connect=v1&encoding=json&message=%22content%22';

/** A listener and how to end it. */
interface Judged {
  readonly port: number;
  close(): Promise<unknown>;
}

const answering: Service = (_head, reply) => ({
  write: (bytes) => reply.grant(bytes.length),
  end() {
    reply.head({ status: 200, fields: ['content-type', 'text/plain'] });
    reply.write(Buffer.from('content'));
    reply.end([]);
  },
  cancel() {},
  grant() {},
});

async function startListener(tls: boolean): Promise<Judged> {
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    service: answering,
    clock: systemClock,
    ...(tls ? { tls: TEST_TLS } : {}),
  });
  return { port: listener.port, close: () => listener.close(0) };
}

function startServer(tls: boolean): Promise<Judged> {
  return serve({ routes: echoRoutes, ...(tls ? { tls: TEST_TLS } : {}) });
}

/** With a server behind it, so that the whole way of a call is judged. */
async function startJudgedGateway(tls: boolean): Promise<Judged> {
  const folder = await makeFolder();
  await writeFile(join(folder.path, 'cert.pem'), TEST_TLS.cert);
  await writeFile(join(folder.path, 'key.pem'), TEST_TLS.key);
  const config = tls ? { listener: { tls: { certFile: 'cert.pem', keyFile: 'key.pem' } } } : {};
  const gateway = await startTestGateway({ workers: 0, folder, config });
  const server = await serve({ routes: echoRoutes, registry: gateway.registry });
  await server.registered;
  return {
    port: gateway.apiPort,
    async close() {
      await server.close();
      await gateway[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const LISTENERS: readonly (readonly [name: string, tls: boolean, start: () => Promise<Judged>])[] = [
  ['a listener, h2c', false, () => startListener(false)],
  ['a listener, TLS', true, () => startListener(true)],
  ['the server kit, h2c', false, () => startServer(false)],
  ['the server kit, TLS', true, () => startServer(true)],
  ['the gateway, h2c', false, () => startJudgedGateway(false)],
  ['the gateway, TLS', true, () => startJudgedGateway(true)],
];

describe.skipIf(!canJudge('every HTTP/2 listener by h2spec'))('h2spec', { timeout: 240_000 }, () => {
  test.each(LISTENERS)(`passes ${CASES} of ${CASES}: %s`, async (_name, tls, start) => {
    const judged = await start();
    try {
      const { report, ...counts } = await judgeByH2spec({ port: judged.port, tls, path: PATH });
      expect(counts, report).toEqual({ passed: CASES, skipped: 0, failed: 0 });
    } finally {
      await judged.close();
    }
  });
});
