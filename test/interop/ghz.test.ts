import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { goTool, canJudge } from '@bascule/testing/go-tool';
import { schemaOf } from '@bascule/schema';
import { serve, type Server } from '@bascule/server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EchoService } from '../e2e/rig/echo-schema.ts';
import { makeFolder, type Folder } from '../e2e/rig/folder.ts';
import { startTestGateway } from '../e2e/rig/gateway.ts';
import { echoRoutes } from './echo-routes.ts';

const go = canJudge('load by ghz');

const CALLS = 2_000;

describe.skipIf(!go)('ghz', { timeout: 240_000 }, () => {
  let program = '';
  let folder: Folder;
  let server: Server;
  beforeAll(async () => {
    program = await goTool('ghz');
    folder = await makeFolder();
    await writeFile(join(folder.path, 'echo.binpb'), schemaOf([EchoService]));
    server = await serve({ routes: echoRoutes });
  }, 240_000);
  afterAll(async () => {
    await server.close();
    await folder[Symbol.asyncDispose]();
  });

  async function loadOn(port: number, method: string, data: string): Promise<unknown> {
    const what = [
      '--protoset',
      join(folder.path, 'echo.binpb'),
      '--call',
      `${EchoService.typeName}.${method}`,
      '-d',
      data,
    ];
    const how = ['--insecure', '-n', String(CALLS), '-c', '32', '--connections', '4', '--format', 'json'];
    const { stdout } = await promisify(execFile)(program, [...how, ...what, `127.0.0.1:${port}`]);
    return JSON.parse(stdout);
  }

  const all = { count: CALLS, statusCodeDistribution: { OK: CALLS } };

  test.each([
    ['Say', '"hello"'],
    ['Count', '5'],
  ])('its load of %s on our server all ends well', async (method, data) => {
    expect(await loadOn(server.port, method, data)).toMatchObject(all);
  });

  test('its load through the gateway all ends well', async () => {
    await using gateway = await startTestGateway({
      workers: 0,
      config: { discovery: { endpoints: [{ address: `127.0.0.1:${server.port}`, services: [EchoService.typeName] }] } },
    });
    expect(await loadOn(gateway.apiPort, 'Say', '"hello"')).toMatchObject(all);
  });
});
