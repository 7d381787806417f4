import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../e2e/rig/eventually.ts';
import { connectOperator } from '../e2e/rig/operator.ts';
import { withTab, withTabs } from './rig/browser.ts';
import { openBrowser } from './rig/open-browser.ts';
import { startDemo, type Demo } from './rig/demo.ts';
import { byPopulation, readBackends, readNumber, readOrder, readText, search } from './rig/reading.ts';

const NEARBY = '/demo.places.v1.PlacesService/Nearby';

describe('page', () => {
  let demo: Demo;
  let browser: Browser;

  beforeAll(async () => {
    [demo, browser] = await Promise.all([startDemo({ workers: 0 }), openBrowser()]);
  });
  afterAll(async () => {
    await browser.close();
    await demo[Symbol.asyncDispose]();
  });

  test('search as you type: the largest places first, from the first letter to none', async () => {
    await withTab(browser, { url: demo.url }, async (page) => {
      await expectResults(page, '');
      await page.getByTestId('search').pressSequentially('san j');
      await expectResults(page, 'san j');
      await page.getByTestId('search').press('Backspace');
      await page.getByTestId('search').press('Backspace');
      await expectResults(page, 'san');
      await page.getByTestId('search').fill('qqqq');
      await eventually(async () => expect(await page.locator('.results-head').innerText()).toContain('no city found'));
      await page.getByTestId('search').fill('');
      await expectResults(page, '');
    });
  });

  test('a result picked with the mouse is looked around, and the map flies there', async () => {
    await withTab(browser, { url: demo.url }, async (page) => {
      await page.getByTestId('search').fill('nairobi');
      await page.getByTestId('result').filter({ hasText: 'Nairobi' }).first().click();
      await expectLookedAt(page, 'Nairobi');
    });
  });

  test('a result picked with the keyboard, however fast, is that of the word that was typed', async () => {
    await withTab(browser, { url: demo.url }, async (page) => {
      await expectResults(page, '');
      await page.getByTestId('search').pressSequentially('lisb');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await expectLookedAt(page, 'Lisbon');
    });
  });

  test('up and down choose a result, and the box keeps the keyboard', async () => {
    await withTab(browser, { url: demo.url }, async (page) => {
      await page.getByTestId('search').fill('san j');
      await expectResults(page, 'san j');
      const second = page.getByTestId('result').nth(1);
      for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp']) await page.getByTestId('search').press(key);
      await eventually(async () => {
        expect(await second.getByRole('option').getAttribute('aria-selected')).toBe('true');
      });
      const id = await second.getByRole('option').getAttribute('id');
      expect(await page.getByTestId('search').getAttribute('aria-activedescendant')).toBe(id);
      await page.getByTestId('search').press('Enter');
      await expectLookedAt(page, await second.getByTestId('result-name').innerText());
      expect(await page.locator(':focus').getAttribute('data-testid')).toBe('search');
    });
  });

  test('as many places are around a city as the service finds', async () => {
    await withTab(browser, { url: demo.url }, async (page) => {
      await page.getByTestId('search').fill('reykjavik');
      await page.getByTestId('search').press('Enter');
      const [place] = await search(demo, 'reykjavik');
      const request = { latitude: place?.latitude, longitude: place?.longitude, radiusKm: 150, limit: 2000 };
      const found = await demo.bascule('--json', 'call', NEARBY.slice(1), JSON.stringify(request));
      const count = found.split('"distanceKm"').length - 1;
      expect(count).toBeGreaterThan(5);
      await eventually(async () => {
        expect(await readText(page, 'nearby')).toMatch(new RegExp(`^${count} places around Reykjav[ií]k in \\d+ ms$`));
      });
    });
  });

  test('the old stream of places is gone before another begins', async () => {
    await withTab(browser, { url: demo.url }, async (page) => {
      await eventually(async () => expect(await readText(page, 'nearby')).toContain(' ms'));
      await page.addInitScript(COUNT_STREAMS);
      await page.reload();
      await eventually(async () => expect(await readText(page, 'nearby')).toContain(' ms'));
      let aborted = 0;
      page.on('requestfailed', (request) => (aborted += request.url().endsWith(NEARBY) ? 1 : 0));
      const cdp = await page.context().newCDPSession(page);
      // So that every stream is still running when the next one is asked for.
      const slow = { offline: false, latency: 20, downloadThroughput: 30_000, uploadThroughput: 30_000 };
      await cdp.send('Network.emulateNetworkConditions', slow);
      for (const km of ['500 km', '50 km', '500 km', '150 km', '500 km']) {
        const begun = await page.evaluate<number>('streams.length');
        await page.getByRole('radio', { name: km, exact: true }).click();
        await eventually(async () => expect(await page.evaluate<number>('streams.length')).toBe(begun + 1));
      }
      await cdp.send('Network.emulateNetworkConditions', { ...slow, downloadThroughput: -1, latency: 0 });
      await eventually(async () =>
        expect(await readText(page, 'nearby')).toMatch(/^2,000 nearest places .* in \d+ ms$/),
      );
      expect(await page.evaluate('streams')).toEqual(['none', ...Array.from({ length: 5 }, () => 'given up')]);
      // All of them were given up while they ran, but for the last.
      await eventually(() => expect(aborted).toBe(4));
      expect(await readText(page, 'failed')).toBe('0');
    });
    using operator = disposeOf(connectOperator(demo.operatorUrl, demo.token));
    await eventually(async () => expect(await operator.openCalls()).toEqual([]));
  });

  test('it shows who answered, which version, how fast and how well', async () => {
    await withTab(browser, { url: demo.url }, async (page) => {
      await eventually(async () => {
        expect(Object.keys(await readBackends(page))).toEqual(['places-1', 'places-2', 'places-3']);
        expect(Math.min(...Object.values(await readBackends(page)))).toBeGreaterThan(3);
        expect(await readNumber(page, 'rate')).toBeGreaterThan(1);
        expect(await readNumber(page, 'p50')).toBeGreaterThan(0);
      }, 45_000);
      await eventually(async () => {
        expect(await readNumber(page, 'p99')).toBeGreaterThanOrEqual(await readNumber(page, 'p50'));
      }, 45_000);
      expect(await readText(page, 'failed')).toBe('0');
      expect(await readText(page, 'retried')).toBe('no retries');
      for (const testId of ['current-version', 'results-version', 'stream-version']) {
        expect(await readText(page, testId)).toBe('v1.0.0');
      }
      expect(await page.getByTestId('module-version').innerText()).toMatch(/^ranking v1\.0\.0\s+\d+$/);
      expect(await page.getByTestId('call').first().innerText()).toMatch(/\d ms\s+ok$/);
    });
  });

  test('without traffic of its own the page is calm', async () => {
    await withTab(browser, { url: demo.url }, async (page) => {
      await eventually(async () => expect(await readNumber(page, 'rate')).toBeGreaterThan(2));
      await page.locator('.switch').click();
      await eventually(async () => expect(await readNumber(page, 'rate')).toBeLessThan(1.5), 20_000);
    });
  });

  test('two tabs live beside each other', async () => {
    await withTabs(browser, { url: demo.url, tabs: 2 }, async (...pages) => {
      const totals = await Promise.all(pages.map((page) => readNumber(page, 'total')));
      for (const [i, page] of pages.entries()) {
        await eventually(async () => {
          expect(await readNumber(page, 'sequence')).toBeGreaterThan(3);
          expect(await readNumber(page, 'total')).toBeGreaterThan((totals[i] as number) + 10);
        });
        await page.bringToFront();
        await page.getByTestId('search').fill('porto');
        await expectResults(page, 'porto');
        await page.getByRole('radio', { name: '500 km' }).click();
        await eventually(async () => expect(await readText(page, 'nearby')).toMatch(/in \d+ ms$/));
        expect(await readText(page, 'gaps')).toBe('0');
        expect(await readText(page, 'failed')).toBe('0');
      }
    });
  });

  test.each([
    { width: 390, height: 844 },
    { width: 320, height: 640 },
    { width: 800, height: 600 },
    { width: 1440, height: 900 },
  ])('nothing sticks out at $width x $height', async (viewport) => {
    await withTab(browser, { url: demo.url, context: { viewport } }, async (page) => {
      await expectResults(page, '');
      await eventually(async () => expect(await page.getByTestId('call').count()).toBeGreaterThan(8));
      const widths = await page.evaluate<number[]>('[document.documentElement.scrollWidth, innerWidth]');
      expect(widths[0]).toBeLessThanOrEqual(widths[1] as number);
    });
  });

  async function expectResults(page: Page, query: string): Promise<void> {
    const places = await search(demo, query);
    expect(places.length).toBeGreaterThan(0);
    await eventually(async () => {
      expect(await readOrder(page)).toEqual(byPopulation(places));
      const title = query === '' ? 'Largest cities' : `“${query.trim()}”`;
      expect(await page.locator('.results-head h2').innerText()).toBe(title);
      expect(await readText(page, 'results-version')).toBe('v1.0.0');
    });
  }
});

/** The note below the map speaks of a place, and the middle of the map is that place. */
async function expectLookedAt(page: Page, name: string): Promise<void> {
  await eventually(async () => {
    expect(await readText(page, 'nearby')).toMatch(new RegExp(`^[\\d,]+ (nearest )?places around ${name} in \\d+ ms$`));
  });
  await eventually(async () => {
    const box = await page.getByTestId('map').boundingBox();
    if (box === null) throw new Error('there is no map');
    await page.mouse.move(box.x + box.width / 2 + 1, box.y + box.height / 2);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    expect(await page.getByTestId('map-tip').innerText({ timeout: 200 })).toBe(name);
  });
}

/** Notes for each stream of places that a page begins what had become of the one before. */
const COUNT_STREAMS = `
  window.streams = [];
  let last;
  const inner = window.fetch;
  window.fetch = (input, init) => {
    if (String(input).endsWith('${NEARBY}')) {
      streams.push(last === undefined ? 'none' : last.aborted ? 'given up' : 'open');
      last = init.signal;
    }
    return inner(input, init);
  };
`;

function disposeOf<T extends { close(): void }>(owner: T): T & Disposable {
  return Object.assign(owner, { [Symbol.dispose]: () => owner.close() });
}
