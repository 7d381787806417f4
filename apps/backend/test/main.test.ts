import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, describe, expect, test } from 'vitest';
import { PlacesService } from '../gen/demo/places/v1/places_pb.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

describe('places process', () => {
  let child: ChildProcessWithoutNullStreams | undefined;
  afterEach(() => {
    if (child?.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });

  async function start(...args: string[]) {
    const started = spawn(process.execPath, [MAIN, ...args]);
    child = started;
    const ended = once(started, 'exit') as Promise<[number | null, string | null]>;
    const [line] = (await once(createInterface({ input: started.stdout }), 'line')) as [string];
    const { event, port } = JSON.parse(line) as { event: string; port: number };
    expect(event).toBe('ready');
    const transport = createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1' });
    return { child: started, ended, client: createClient(PlacesService, transport) };
  }

  test('launched, it outlives signals and ends with its pipe', async () => {
    const { child, ended, client } = await start('--exit-with-stdin', '--instance-id', 'places-9');
    child.kill('SIGINT');
    child.kill('SIGTERM');
    const { places } = await client.search({ query: 'oslo' });
    expect(places[0]?.name).toBe('Oslo');
    child.stdin.end();
    expect(await ended).toEqual([0, null]);
  });

  test('by hand, it ends gracefully on SIGTERM, whatever standard input does', async () => {
    const { child, ended, client } = await start();
    child.stdin.end();
    expect((await client.search({ query: 'lima' })).places[0]?.name).toBe('Lima');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  test('says what is wrong with its command line', async () => {
    const started = spawn(process.execPath, [MAIN, '--port', '70000']);
    child = started;
    let said = '';
    started.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
    const [code] = (await once(started, 'close')) as [number];
    expect(code).toBe(1);
    expect(said).toContain('--port');
  });
});
