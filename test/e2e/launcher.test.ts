import { createServer } from 'node:net';
import { existsSync } from 'node:fs';
import { createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { PlacesService } from '../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { RankingService } from '../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { connectGrpcWeb } from './rig/dialects.ts';
import { eventually } from './rig/eventually.ts';
import { makeFolder } from './rig/folder.ts';
import { commandOf, listGroup, startLauncher, type Launcher } from './rig/launcher.ts';
import { freePorts } from '../support/src/servers/ports.ts';

const PATIENCE_MS = 90_000;

interface Demo extends AsyncDisposable {
  readonly launcher: Launcher;
  readonly ports: readonly number[];
  readonly flags: readonly string[];
}

async function startDemo(more: readonly string[] = []): Promise<Demo> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder());
  const ports = await freePorts(3);
  const [api, operator, registry] = ports.map(String) as [string, string, string];
  const flags = ['--port', api, '--operator-port', operator, '--registry-port', registry];
  const all = [...flags, '--backends', '2', '--state-dir', folder.path, ...more];
  const launcher = stack.use(startLauncher(all));
  return { launcher, ports, flags: all, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Waits for the lines that tell where everything is. */
async function untilStarted({ launcher }: Pick<Demo, 'launcher'>): Promise<void> {
  await eventually(() => expect(launcher.output()).toContain('Ctrl-C ends it all.'), PATIENCE_MS);
}

async function expectServed(port: number): Promise<void> {
  using connected = connectGrpcWeb(`http://127.0.0.1:${port}`);
  const { places } = await createClient(PlacesService, connected.transport).search({ query: 'rotterdam', limit: 1 });
  expect(places.map(({ name }) => name)).toEqual(['Rotterdam']);
  const candidates = [
    { id: 1, population: 10 },
    { id: 2, population: 2_000_000 },
  ];
  const { ranked } = await createClient(RankingService, connected.transport).rank({ candidates });
  expect(ranked.map(({ id }) => id)).toEqual([2, 1]);
}

describe.skipIf(!existsSync('/proc/self/stat'))('npm start', () => {
  it('says where everything is, serves, and leaves nothing behind Ctrl-C', async () => {
    await using demo = await startDemo();
    const { launcher, ports } = demo;
    await untilStarted(demo);
    for (const port of ports) expect(launcher.output()).toContain(`http://127.0.0.1:${port}`);
    await expectServed(ports[0] as number);
    const page = await fetch(`http://127.0.0.1:${ports[0]}/`);
    expect(page.headers.get('content-type')).toContain('text/html');
    await page.arrayBuffer();
    // Both launchers, registry, gateway with its bundler, two backends.
    expect(listGroup(launcher.pid).length).toBeGreaterThanOrEqual(6);
    launcher.interrupt();
    expect(await launcher.ended).toBe(0);
    await eventually(() => expect(listGroup(launcher.pid)).toEqual([]));

    // Everything is made by now: the second start has only to start.
    await using again = startLauncher(demo.flags);
    await untilStarted({ launcher: again });
    await expectServed(ports[0] as number);
    again.interrupt();
    expect(await again.ended).toBe(0);
    await eventually(() => expect(listGroup(again.pid)).toEqual([]));
  });

  it('takes its children along when it is killed, however hard', async () => {
    await using demo = await startDemo(['--workers', '2']);
    await untilStarted(demo);
    await expectServed(demo.ports[0] as number);
    demo.launcher.kill();
    expect(await demo.launcher.ended).toBe('SIGKILL');
    await eventually(() => expect(listGroup(demo.launcher.pid)).toEqual([]), PATIENCE_MS);
  });

  it('ends in order when it is interrupted while it starts', async () => {
    await using demo = await startDemo();
    await eventually(() => expect(demo.launcher.output()).toContain('Starting the registry'), PATIENCE_MS);
    demo.launcher.interrupt();
    expect(await demo.launcher.ended).toBe(0);
    await eventually(() => expect(listGroup(demo.launcher.pid)).toEqual([]));
  });

  it.each(['--port', '--operator-port', '--registry-port'])('names a port in use and its flag: %s', async (flag) => {
    await using folder = await makeFolder();
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port: taken } = server.address() as { port: number };
    const names = ['--port', '--operator-port', '--registry-port'];
    const free = await freePorts(3);
    const flags = names.flatMap((name, i) => [name, String(name === flag ? taken : free[i])]);
    await using launcher = startLauncher([...flags, '--state-dir', folder.path]);
    expect(await launcher.ended).toBe(1);
    expect(launcher.output()).toContain(String(taken));
    expect(launcher.output()).toContain(`${flag} `);
    await eventually(() => expect(listGroup(launcher.pid)).toEqual([]));
    await new Promise((resolve) => server.close(resolve));
  });

  it('keeps serving when a backend is killed, and says how to start it again', async () => {
    await using demo = await startDemo();
    const { launcher, ports } = demo;
    await untilStarted(demo);
    const victim = listGroup(launcher.pid).find((pid) => commandOf(pid).includes('places-1')) as number;
    process.kill(victim, 'SIGKILL');
    await eventually(() => expect(launcher.output()).toContain('To start it again'));
    for (let i = 0; i < 20; i++) await expectServed(ports[0] as number);
    launcher.interrupt();
    expect(await launcher.ended).toBe(0);
  });
});
