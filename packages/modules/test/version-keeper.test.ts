import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock } from '@bascule/core';
import { expect, it, onTestFinished } from 'vitest';
import { openHistory } from '../src/history.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import type { LogEvent } from '../src/log.ts';
import { ModuleRefused } from '../src/refusal.ts';
import { openStore } from '../src/store.ts';
import { createVersionKeeper } from '../src/version-keeper.ts';

it('tells why a version was refused, also when the history cannot be written', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-keeper-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const history = openHistory(join(folder, 'history.sqlite'));
  const log: LogEvent[] = [];
  const keeper = createVersionKeeper({
    store: await openStore(join(folder, 'store')),
    history,
    limits: DEFAULT_LIMITS,
    clock: createVirtualClock(),
    log: (event) => void log.push(event),
  });
  const manifest = { name: '@demo/a', module: 'a', version: '1.0.0', entryFile: join(folder, 'index.ts') };
  const refusal = new ModuleRefused('it does not build', 'Correct it');
  history.close();
  expect(keeper.noteRefused({ manifest, source: './a' }, '', refusal)).toBe(refusal);
  expect(log).toMatchObject([{ level: 'error', module: 'a', version: '1.0.0', source: './a' }]);
});
