import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';

/** How long a click may take on a busy machine. */
const ACTION_PATIENCE_MS = 30_000;

export interface TabOptions {
  readonly url: string;
  readonly context?: BrowserContextOptions;
  /** How many pages; they are tabs of one browser, which shares its connections among them. */
  readonly tabs?: number;
}

/**
 * Opens tabs for `use` and closes them after it. A word of error on a console, an uncaught error, or a request that
 * nobody gave up fails the test; of a failed test a picture is kept.
 */
export async function withTabs(
  browser: Browser,
  options: TabOptions,
  use: (...pages: [Page, ...Page[]]) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options.context });
  context.setDefaultTimeout(ACTION_PATIENCE_MS);
  const problems: string[] = [];
  const pages: Page[] = [];
  try {
    for (let i = 0; i < (options.tabs ?? 1); i++) {
      const page = await context.newPage();
      pages.push(page);
      collectProblems(page, problems);
      await page.goto(options.url);
    }
    await use(...(pages as [Page, ...Page[]]));
    expect(problems, 'what the browser complained about').toEqual([]);
  } catch (error) {
    throw await withPictures(error, pages, problems);
  } finally {
    await context.close();
  }
}

/** The page of one tab. */
export function withTab(browser: Browser, options: TabOptions, use: (page: Page) => Promise<void>): Promise<void> {
  return withTabs(browser, options, use);
}

function collectProblems(page: Page, problems: string[]): void {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    if (why !== 'net::ERR_ABORTED') problems.push(`request: ${request.url()}: ${why}`);
  });
}

async function withPictures(thrown: unknown, pages: readonly Page[], problems: readonly string[]): Promise<Error> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-browser-'));
  for (const [i, page] of pages.entries()) {
    // A page that has crashed has no picture, but the error still counts.
    await page.screenshot({ path: join(folder, `tab-${i + 1}.png`) }).catch(() => undefined);
  }
  const said = problems.length === 0 ? '' : `\nThe browser said:\n${problems.join('\n')}`;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new Error(`${message}${said}\nPictures: ${folder}`, { cause: thrown });
}
