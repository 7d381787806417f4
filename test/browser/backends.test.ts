import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../e2e/rig/eventually.ts';
import { withTab } from './rig/browser.ts';
import { openBrowser } from './rig/open-browser.ts';
import { startBackendAgain, startDemo, type Demo } from './rig/demo.ts';
import { readBackends, readNumber, readText } from './rig/reading.ts';

/** The lease of a backend is ten seconds; a busy machine may look at it late. */
const LEASE_PATIENCE_MS = 45_000;

describe.each([{ workers: 0 }, { workers: 2 }])('a lost backend, $workers workers', (matrix) => {
  let demo: Demo;
  let browser: Browser;

  beforeAll(async () => {
    [demo, browser] = await Promise.all([startDemo(matrix), openBrowser()]);
  });
  afterAll(async () => {
    await browser.close();
    await demo[Symbol.asyncDispose]();
  });

  test('kill -9 fails no call; it leaves the set, and comes back when it is started again', async () => {
    const [, pid, name] = /kill -9 (\d+) +\(backend ([\w-]+)\)/.exec(demo.output()) ?? [];
    if (pid === undefined || name === undefined) throw new Error(`no backend to kill:\n${demo.output()}`);
    await withTab(browser, { url: demo.url }, async (page) => {
      await eventually(async () => {
        expect(Object.keys(await readBackends(page))).toHaveLength(3);
        expect(Math.min(...Object.values(await readBackends(page)))).toBeGreaterThan(2);
      });
      expect(await listInstances(demo)).toContain(name);

      process.kill(Number(pid), 'SIGKILL');
      await eventually(async () => expect(await listInstances(demo)).not.toContain(name), LEASE_PATIENCE_MS);
      const dead = (await readBackends(page))[name] as number;
      // A row counts as silent after 25 calls of others.
      const total = await readNumber(page, 'total');
      await eventually(async () => expect(await readNumber(page, 'total')).toBeGreaterThan(total + 26), 30_000);
      expect(await readText(page, 'failed')).toBe('0');
      expect((await readBackends(page))[name]).toBe(dead);
      expect(await page.locator(`[data-name="${name}"]`).getAttribute('class')).toContain('silent');

      await using _ = startBackendAgain(demo, name);
      await eventually(async () => expect((await readBackends(page))[name]).toBeGreaterThan(dead + 3), 20_000);
      expect(await page.locator(`[data-name="${name}"]`).getAttribute('class')).not.toContain('silent');
      expect(await listInstances(demo)).toContain(name);
      expect(await readText(page, 'failed')).toBe('0');
      expect(await readText(page, 'gaps')).toBe('0');
    });
  });
});

async function listInstances(demo: Demo): Promise<string[]> {
  const { endpoints } = JSON.parse(await demo.bascule('--json', 'endpoints')) as {
    readonly endpoints: readonly { readonly instanceId: string }[];
  };
  return endpoints.map(({ instanceId }) => instanceId);
}
