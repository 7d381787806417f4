import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../e2e/rig/eventually.ts';
import { withTab } from './rig/browser.ts';
import { openBrowser } from './rig/open-browser.ts';
import { startDemo, type Demo } from './rig/demo.ts';
import { byCapital, byPopulation, readNumber, readOrder, readText, search } from './rig/reading.ts';

const V2 = 'apps/backend/modules/ranking-v2';

/** Has capitals and others, far and near. */
const QUERY = 'lon';

describe.each([{ workers: 0 }, { workers: 2 }])(
  'swap under an open page, $workers workers',
  { timeout: 60_000 },
  (matrix) => {
    let demo: Demo;
    let browser: Browser;

    beforeAll(async () => {
      [demo, browser] = await Promise.all([startDemo(matrix), openBrowser()]);
    });
    afterAll(async () => {
      await browser.close();
      await demo[Symbol.asyncDispose]();
    });

    test('deploying changes the order at once, rolling back changes it back, and open streams go on', async () => {
      const places = await search(demo, QUERY);
      expect(byCapital(places)).not.toEqual(byPopulation(places));
      await withTab(browser, { url: demo.url }, async (page) => {
        await page.getByTestId('search').fill(QUERY);
        await expectOrder(page, 'v1.0.0', byPopulation(places));
        await eventually(async () => expect(await readNumber(page, 'sequence')).toBeGreaterThan(0));

        await demo.bascule('deploy', V2);
        await expectOrder(page, 'v2.0.0', byCapital(places));
        expect(await readText(page, 'current-version')).toBe('v2.0.0');
        await expectStreamGoesOn(page);
        expect(await readText(page, 'stream-version')).toBe('v1.0.0');
        expect(await readText(page, 'behind')).toContain('New calls go to v2.0.0.');

        await demo.bascule('rollback', 'ranking');
        await expectOrder(page, 'v1.0.0', byPopulation(places));
        await expectStreamGoesOn(page);
        await eventually(async () => expect(await page.getByTestId('behind').count()).toBe(0));
        expect(await readText(page, 'failed')).toBe('0');
        expect(await readText(page, 'retried')).toBe('no retries');
      });
      await expectAllWell(demo);
    });

    test('a stream opened anew is on the version that is current', async () => {
      await withTab(browser, { url: demo.url }, async (page) => {
        await eventually(async () => expect(await readText(page, 'stream-version')).toBe('v1.0.0'));
        await demo.bascule('deploy', V2);
        await page.getByRole('button', { name: 'Open it anew' }).click();
        await eventually(async () => expect(await readText(page, 'stream-version')).toBe('v2.0.0'));
        await demo.bascule('rollback', 'ranking');
        await eventually(async () => expect(await readText(page, 'current-version')).toBe('v1.0.0'));
        expect(await readText(page, 'failed')).toBe('0');
      });
      await expectAllWell(demo);
    });

    test('a broken version is refused, and the page does not notice', async () => {
      await withTab(browser, { url: demo.url }, async (page) => {
        await eventually(async () => expect(await readText(page, 'current-version')).toBe('v1.0.0'));
        const judge = join(demo.moduleFolder, 'judge.ts');
        const before = await readFile(judge, 'utf8');
        await writeFile(judge, `${before}\nthrow new Error('not today');\n`);
        await eventually(() => expect(demo.output()).toContain('not today'));
        const total = await readNumber(page, 'total');
        await eventually(async () => expect(await readNumber(page, 'total')).toBeGreaterThan(total + 5));
        expect(await readText(page, 'current-version')).toBe('v1.0.0');
        expect(await readText(page, 'failed')).toBe('0');
        await writeFile(judge, before);
      });
    });

    test('saving a file of the module deploys it, also when the editor saves by renaming', async () => {
      const places = await search(demo, QUERY);
      const judge = join(demo.moduleFolder, 'judge.ts');
      const before = await readFile(judge, 'utf8');
      await withTab(browser, { url: demo.url }, async (page) => {
        await page.getByTestId('search').fill(QUERY);
        await eventually(async () => expect(await readOrder(page)).toEqual(byPopulation(places)));

        await writeFile(
          judge,
          before.replace('score: population', 'score: -population').replace('toPeople(', "'few: ' + toPeople("),
        );
        await expectReason(page, /^few: /);
        expect(await readOrder(page)).toEqual(byPopulation(places).toReversed());

        await writeFile(`${judge}.new`, before.replace('toPeople(', "'many: ' + toPeople("));
        await rename(`${judge}.new`, judge);
        await expectReason(page, /^many: /);
        expect(await readOrder(page)).toEqual(byPopulation(places));
        expect(await readText(page, 'failed')).toBe('0');
        expect(await readText(page, 'gaps')).toBe('0');
      });
      await expectAllWell(demo);
    });
  },
);

async function expectOrder(page: Page, version: string, order: readonly number[]): Promise<void> {
  await eventually(async () => {
    expect(await readText(page, 'results-version')).toBe(version);
    expect(await readOrder(page)).toEqual(order);
  });
}

async function expectReason(page: Page, reason: RegExp): Promise<void> {
  await eventually(async () => {
    expect(await page.getByTestId('result').first().locator('.reason').innerText()).toMatch(reason);
  });
}

/** More messages come, none is missing, and none came twice or from a stream that was opened again. */
async function expectStreamGoesOn(page: Page): Promise<void> {
  const before = await readNumber(page, 'sequence');
  await eventually(async () => expect(await readNumber(page, 'sequence')).toBeGreaterThanOrEqual(before + 2));
  expect(await readText(page, 'gaps')).toBe('0');
}

/** What the gateway wrote down of all calls of all pages. */
async function expectAllWell(demo: Demo): Promise<void> {
  const lines = await demo.accessLines();
  expect(lines.filter(({ code }) => code !== 'ok' && code !== 'canceled')).toEqual([]);
}
