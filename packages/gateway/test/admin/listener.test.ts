import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:http2';
import { systemClock } from '@bascule/core';
import { createBearerInterceptor } from '@bascule/client';
import { createKit } from '@bascule/kit';
import { AdminService } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { listen, type Listener } from '@bascule/wire';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAdminRoutes } from '../../src/admin/admin-routes.ts';
import { createOperatorService } from '../../src/admin/operator-service.ts';
import { PLACES, STATUS, viewOf, watchNothing } from './samples.ts';

const METRICS = 'metric 1\n'.repeat(100_000);
let listener: Listener;
beforeAll(async () => {
  const kit = createKit({
    routes: createAdminRoutes({
      view: () => viewOf(PLACES),
      watch: watchNothing,
      schemaOf: () => undefined,
      status: () => STATUS,
    }),
  });
  const service = createOperatorService({
    routesService: kit.service,
    token: 'right',
    clock: systemClock,
    metrics: () => METRICS,
    healthy: () => true,
    ready: () => ({ ready: true, reason: '' }),
    ports: () => [listener.port],
  });
  listener = await listen({ host: '127.0.0.1', port: 0, service, clock: systemClock });
});
afterAll(() => listener.close(0));

const PATH = '/bascule.admin.v1.AdminService/GetStatus';

/** HTTP/1.1 by node:http, since fetch keeps Host and Origin to itself. */
function post(path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port: listener.port, path, method: 'POST', headers, agent: false },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      },
    );
    sent.on('error', reject);
    sent.end('{}');
  });
}

test('HTTP/1.1: the right Host and token get an answer, another of either does not', async () => {
  const right = { authorization: 'Bearer right', 'content-type': 'application/json' };
  expect((await post(PATH, right)).status).toBe(200);
  expect((await post(PATH, { ...right, host: `localhost:${listener.port}` })).status).toBe(200);
  expect((await post(PATH, { ...right, authorization: 'Bearer wrong' })).status).toBe(401);
  expect((await post(PATH, { ...right, host: `rebound.example:${listener.port}` })).status).toBe(403);
  expect((await post(PATH, { ...right, origin: `http://127.0.0.1:${listener.port}` })).status).toBe(403);
  expect((await post(PATH, { ...right, 'content-type': 'text/plain' })).status).toBe(415);
});

test.each(['application/json', 'application/proto', 'application/connect+json', 'application/grpc-web+proto'])(
  'who has no token hears so before the %s that it sends has come',
  async (contentType) => {
    const headers = { 'content-type': contentType, 'content-length': '100000' };
    const where = { host: '127.0.0.1', port: listener.port, path: PATH, method: 'POST', headers, agent: false };
    const sent = request(where);
    sent.on('error', () => {});
    sent.flushHeaders();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const text = `${answer.statusCode} ${JSON.stringify(answer.headers)} ${await answer.setEncoding('utf8').reduce((all, piece: string) => all + piece, '')}`;
    expect(text).toContain('a token is needed');
    sent.destroy();
  },
);

test('HTTP/2: the authority is judged as Host is', async () => {
  const session = connect(`http://127.0.0.1:${listener.port}`);
  const ask = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': '/healthz', ...headers });
      stream.on('response', (fields) => resolve(Number(fields[':status'])));
      stream.on('error', reject);
      stream.resume();
    });
  try {
    expect(await ask({})).toBe(200);
    expect(await ask({ ':authority': `localhost:${listener.port}` })).toBe(200);
    expect(await ask({ ':authority': `rebound.example:${listener.port}` })).toBe(403);
    expect(await ask({ origin: 'http://evil.example' })).toBe(403);
  } finally {
    session.close();
  }
});

test('a page beyond the first window arrives whole', async () => {
  const answer = await fetch(`http://127.0.0.1:${listener.port}/metrics`);
  expect(await answer.text()).toBe(METRICS);
});

test('Connect and gRPC clients are served alike', async () => {
  const baseUrl = `http://127.0.0.1:${listener.port}`;
  const interceptors = [createBearerInterceptor('right')];
  const sessionManager = new Http2SessionManager(baseUrl);
  const transports = [
    createConnectTransport({ baseUrl, httpVersion: '1.1', interceptors }),
    createGrpcTransport({ baseUrl, interceptors, sessionManager }),
  ];
  for (const transport of transports) {
    expect(await createClient(AdminService, transport).getStatus({})).toMatchObject({ configRevision: 3n });
  }
  sessionManager.abort();
});
