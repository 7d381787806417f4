import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '@bascule/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatConfigError, SettingsRefused } from '../../src/config/error.ts';
import { loadConfig } from '../../src/config/load.ts';
import { applyOverrides } from '../../src/config/settings.ts';
import type { Settings } from '../../src/config/settings-types.ts';
import { watchConfig, type ConfigWatch } from '../../src/config/watch.ts';

type Seen = { revision: number; settings: Settings } | { errors: string };

let folder: string;
let file: string;
let watch: ConfigWatch | undefined;
let seen: Seen[];
let told: (() => void) | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-watch-'));
  file = join(folder, 'bascule.yaml');
  seen = [];
});

afterEach(async () => {
  await watch?.close();
  watch = undefined;
  await rm(folder, { recursive: true });
});

/** Files are written without a turn in between: what is truncated and then written may be read as it is then. */
async function start(text: string, options: { port?: number; onConfig?: () => void } = {}): Promise<void> {
  writeFileSync(file, text);
  const loaded = await loadConfig(file);
  if (!loaded.ok) throw new Error('the first text must be good');
  const overrides = options.port === undefined ? {} : { port: options.port };
  watch = watchConfig({
    file,
    clock: systemClock,
    initial: applyOverrides(loaded.settings, overrides),
    overrides,
    onConfig(settings, revision) {
      options.onConfig?.();
      tell({ revision, settings });
    },
    onError: (errors) => tell({ errors: errors.map(formatConfigError).join('\n') }),
  });
  await watch.check();
}

function tell(what: Seen): void {
  seen.push(what);
  told?.();
}

/** Waits for the watch itself to speak; nothing here asks it to look. */
async function next(): Promise<Seen> {
  while (seen.length === 0) {
    await new Promise<void>((resolve) => {
      told = resolve;
    });
  }
  return seen.shift() as Seen;
}

describe('a saved change', () => {
  test('is taken, with the next revision', async () => {
    await start('calls: {maxOpenCalls: 1}\n');
    expect(seen).toEqual([]);
    writeFileSync(file, 'calls: {maxOpenCalls: 2}\n');
    expect(await next()).toMatchObject({ revision: 2, settings: { calls: { maxOpenCalls: 2 } } });
    writeFileSync(file, 'calls: {maxOpenCalls: 3}\n');
    expect(await next()).toMatchObject({ revision: 3, settings: { calls: { maxOpenCalls: 3 } } });
  });

  test('saved by renaming is taken, more than once', async () => {
    await start('calls: {maxOpenCalls: 1}\n');
    for (const maxOpenCalls of [2, 3, 4]) {
      writeFileSync(`${file}.new`, `calls: {maxOpenCalls: ${maxOpenCalls}}\n`);
      await rename(`${file}.new`, file);
      expect(await next()).toMatchObject({ settings: { calls: { maxOpenCalls } } });
    }
  });

  test('that is broken is refused whole, and mending it is taken', async () => {
    await start('calls: {maxOpenCalls: 1}\n');
    writeFileSync(file, 'calls: {maxOpenCalls: 2}\ncors: {allowOrigin: ["*"]}\n');
    expect(await next()).toMatchObject({
      errors: expect.stringContaining(':2:8 cors.allowOrigin: is not a known field'),
    });
    writeFileSync(file, 'calls: {maxOpenCalls: 2}\n');
    expect(await next()).toMatchObject({ revision: 2, settings: { calls: { maxOpenCalls: 2 } } });
  });

  test('that needs a restart is refused whole', async () => {
    await start('calls: {maxOpenCalls: 1}\n');
    writeFileSync(file, 'calls: {maxOpenCalls: 2}\nlistener: {port: 1}\nstateDir: x\n');
    const { errors } = (await next()) as { errors: string };
    expect(errors).toContain('listener.port: needs a restart to change');
    expect(errors).toContain('stateDir: needs a restart to change');
    writeFileSync(file, 'calls: {maxOpenCalls: 3}\n');
    expect(await next()).toMatchObject({ revision: 2, settings: { calls: { maxOpenCalls: 3 } } });
  });

  test('under an override neither takes nor breaks it', async () => {
    await start('listener: {port: 1}\n', { port: 7 });
    writeFileSync(file, 'listener: {port: 2}\ncalls: {maxOpenCalls: 5}\n');
    expect(await next()).toMatchObject({ settings: { listener: { port: 7 }, calls: { maxOpenCalls: 5 } } });
  });

  test('that cannot be put in place keeps the number', async () => {
    let fails = true;
    const onConfig = (): void => {
      if (fails) throw new Error('no such schema file');
    };
    await start('calls: {maxOpenCalls: 1}\n', { onConfig });
    writeFileSync(file, 'calls: {maxOpenCalls: 2}\n');
    expect(await next()).toMatchObject({
      errors: expect.stringContaining('could not be put in place: no such schema file'),
    });
    fails = false;
    writeFileSync(file, 'calls: {maxOpenCalls: 3}\n');
    expect(await next()).toMatchObject({ revision: 2 });
  });

  test('of the file going away is told, and its return taken', async () => {
    await start('calls: {maxOpenCalls: 1}\n');
    await unlink(file);
    expect(await next()).toMatchObject({ errors: expect.stringContaining('does not exist') });
    writeFileSync(file, 'calls: {maxOpenCalls: 2}\n');
    expect(await next()).toMatchObject({ revision: 2 });
  });

  test('of a file that it names is taken, wherever that is, and refused while it is not there', async () => {
    const secret = join(folder, 'deep', 'token');
    await mkdir(dirname(secret));
    writeFileSync(secret, 'one\n');
    await start(`discovery: {sources: [{url: "http://a:1", tokenFile: ${secret}}]}\n`);
    const contents = (what: Seen): string =>
      'settings' in what ? new TextDecoder().decode(what.settings.discovery.files.get(secret)) : what.errors;
    writeFileSync(secret, 'second\n');
    await watch?.check();
    expect(contents(await next())).toBe('second\n');
    await unlink(secret);
    await watch?.check();
    expect(contents(await next())).toContain(`discovery.sources[0].tokenFile: ${secret} does not exist`);
    await watch?.check();
    expect(seen).toEqual([]);
    writeFileSync(secret, 'three\n');
    await watch?.check();
    expect(contents(await next())).toBe('three\n');
  });

  test('that only turns out wrong when it is put in place says where', async () => {
    const problem = { path: ['discovery', 'sources', 0, 'url'], message: 'is no good', advice: 'Write another.' };
    const onConfig = (): void => {
      throw new SettingsRefused(problem);
    };
    await start('# first\n', { onConfig });
    writeFileSync(file, 'discovery:\n  embeddedRegistry: true\n  sources: [{url: "x://a"}]\n');
    expect(await next()).toEqual({
      errors: `${file}:3:19 discovery.sources[0].url: is no good. Write another.`,
    });
  });

  test('after closing is not told', async () => {
    await start('calls: {maxOpenCalls: 1}\n');
    await watch?.close();
    writeFileSync(file, 'calls: {maxOpenCalls: 2}\n');
    await watch?.check();
    expect(seen).toEqual([]);
  });
});
