import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNodeTransport, type NodeTransport } from '@bascule/client';
import { createTestAuthority } from '@bascule/testing/certificates';
import { canJudge } from '@bascule/testing/go-tool';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EchoService } from '../e2e/rig/echo-schema.ts';
import { buildGrpcGo, startGrpcGo } from './grpc-go.ts';

const go = canJudge('grpc-go as server over TLS');

describe.skipIf(!go)('grpc-go over TLS', { timeout: 240_000 }, () => {
  const authority = createTestAuthority('for grpc-go');
  const ours = authority.issue(['a caller']);
  let program = '';
  let folder = '';
  let env: Record<string, string> = {};
  beforeAll(async () => {
    program = await buildGrpcGo();
    folder = await mkdtemp(join(tmpdir(), 'bascule-go-tls-'));
    const server = authority.issue(['localhost']);
    const files = { cert: server.cert, key: server.key, ca: authority.cert };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const [BASCULE_CERT, BASCULE_KEY, BASCULE_CLIENT_CA] = Object.keys(files).map((name) => join(folder, name));
    env = { BASCULE_CERT, BASCULE_KEY, BASCULE_CLIENT_CA } as Record<string, string>;
  }, 240_000);
  afterAll(() => rm(folder, { recursive: true }));

  async function say(transport: NodeTransport): Promise<string> {
    try {
      return (await createClient(EchoService, transport).say({ value: 'hello' })).value;
    } finally {
      await transport.close();
    }
  }

  test('takes calls of who shows a certificate, found by discovery or named', async () => {
    await using server = await startGrpcGo(program, undefined, env);
    const tls = { ca: authority.cert, ...ours };
    const found = { sources: [`static:https://localhost:${server.port}`] };
    expect(await say(createNodeTransport({ discovery: found, tls }))).toBe('hello');
    expect(await say(createNodeTransport({ baseUrl: `https://localhost:${server.port}`, tls }))).toBe('hello');
  });

  test('refuses who shows none, and the error says so', async () => {
    await using server = await startGrpcGo(program, undefined, env);
    const baseUrl = `https://localhost:${server.port}`;
    const asked = say(createNodeTransport({ baseUrl, tls: { ca: authority.cert }, connectWaitMs: 0 }));
    const failure = ConnectError.from(await asked.catch((error: unknown) => error));
    expect(failure.code).toBe(Code.Unavailable);
    expect(failure.rawMessage).toMatch(/want a certificate/);
  });
});
