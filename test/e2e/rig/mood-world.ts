import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type Client } from '@connectrpc/connect';
import { expect } from 'vitest';
import { connectGrpc } from './dialects.ts';
import { EchoService } from './echo-schema.ts';
import { listOf } from './endpoints.ts';
import { eventually } from './eventually.ts';
import { makeFolder, type Folder } from './folder.ts';
import { startTestGateway, type TestGateway } from './gateway.ts';
import { startMoody, type Moody } from './moody.ts';

/** A gateway before backends of EchoService that its configuration names. */
export interface MoodWorld extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly moods: readonly Moody[];
  readonly client: Client<typeof EchoService>;
  readonly folder: Folder;
  /** Puts another configuration in place: the rest of it stays. */
  configure(config: object): Promise<void>;
}

export interface MoodWorldOptions {
  readonly workers: number;
  readonly names: readonly string[];
  /** The rest of the configuration. */
  readonly config: object;
  /** Files beside it. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Starts all of it, and waits until every backend can take calls. */
export async function startMoodWorld({ workers, names, config, files = {} }: MoodWorldOptions): Promise<MoodWorld> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder());
  const moods = await Promise.all(names.map(async (name) => stack.use(await startMoody(name))));
  await writeFile(join(folder.path, 'echo.binpb'), (moods[0] as Moody).schema);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text);
  const services = [EchoService.typeName];
  const endpoints = moods.map(({ address }) => ({ address, services, schema: 'echo.binpb' }));
  const whole = (part: object): object => ({ discovery: { endpoints }, ...part });
  const gateway = stack.use(await startTestGateway({ workers, folder, config: whole(config) }));
  const { transport } = stack.use(connectGrpc(gateway.baseUrl));
  await eventually(async () => {
    expect((await listOf(gateway)).endpoints.map(({ state }) => state)).toEqual(names.map(() => 'ready'));
  });
  return {
    gateway,
    moods,
    client: createClient(EchoService, transport),
    folder,
    async configure(next) {
      const { configRevision } = await gateway.operator.admin.getStatus({});
      await gateway.save(whole(next));
      await eventually(async () => {
        const status = await gateway.operator.admin.getStatus({});
        expect([status.configError, status.configRevision > configRevision]).toEqual(['', true]);
      });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
