import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startServer, type HttpVersion } from './support/servers.ts';

const PROGRAM = fileURLToPath(import.meta.resolve('./support/caller-process.ts'));

async function run(...parameters: string[]): Promise<{ code: unknown; output: string }> {
  const child = spawn(process.execPath, [PROGRAM, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [unknown];
  return { code, output };
}

describe('a program with a transport', () => {
  it.each<HttpVersion>(['1.1', '2'])('ends by itself after its calls, HTTP/%s', async (version) => {
    await using server = await startServer(version);
    expect(await run(server.url, version)).toEqual({ code: 0, output: 'answer\n' });
  });

  it('lives as long as a call waits for a server that is away', async () => {
    await using server = await startServer('2');
    const { url } = server;
    await server[Symbol.asyncDispose]();
    expect(await run(url, '2')).toEqual({ code: 0, output: 'Unavailable never-sent\n' });
    expect(await run(`static:${new URL(url).host}`)).toEqual({ code: 0, output: 'Unavailable never-sent\n' });
  });

  it('ends by itself after its calls to whoever is there', async () => {
    await using one = await startServer('2');
    await using other = await startServer('2');
    const hosts = [one, other].map(({ url }) => new URL(url).host);
    expect(await run(`static:${hosts.join()}`)).toEqual({ code: 0, output: 'answer\n' });
  });
});
