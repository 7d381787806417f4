import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEcho } from '../e2e/rig/echo.ts';
import { startTestGateway } from '../e2e/rig/gateway.ts';
import { eventually } from '../e2e/rig/eventually.ts';
import { openBrowser } from './rig/open-browser.ts';

/** A page of another origin, which is all that it is: what it does, the tests tell it. */
async function startSite(): Promise<{ server: Server; origin: string }> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<title>another site</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

interface Seen {
  readonly status?: number;
  readonly fields?: Record<string, string>;
  readonly text?: string;
  readonly error?: string;
}

/** A unary Connect call as a page's own script would make it, with a field that browsers ask leave for. */
function callFrom(page: Page, url: string, value: string): Promise<Seen> {
  return page.evaluate(
    async ({ url, value }) => {
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'connect-protocol-version': '1', 'x-tenant': 'seven' },
          body: JSON.stringify(value),
        });
        return { status: response.status, fields: Object.fromEntries(response.headers), text: await response.text() };
      } catch (error) {
        return { error: String(error) };
      }
    },
    { url, value },
  );
}

describe('pages of another origin', () => {
  let browser: Browser;
  let friend: Awaited<ReturnType<typeof startSite>>;
  let stranger: Awaited<ReturnType<typeof startSite>>;

  beforeAll(async () => {
    browser = await openBrowser();
    friend = await startSite();
    stranger = await startSite();
  });
  afterAll(async () => {
    await browser.close();
    for (const { server } of [friend, stranger]) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('may call when they are named, and read trailers; others may not', async () => {
    await using gateway = await startTestGateway({
      workers: 0,
      config: { cors: { allowOrigins: [friend.origin], allowHeaders: ['x-tenant'] } },
    });
    await using echo = await startEcho({ registry: gateway.registry });
    const url = `${gateway.baseUrl}/${echo.server.endpoint.services[0]}/Say`;
    const page = await browser.newPage();
    await page.goto(friend.origin);
    await eventually(async () =>
      expect(await callFrom(page, url, 'hello')).toMatchObject({ status: 200, text: '"hello"' }),
    );
    expect(echo.probe.headers.at(-1)?.get('x-tenant')).toBe('seven');

    const failed = await callFrom(page, url, 'fail');
    expect(JSON.parse(failed.text ?? '')).toMatchObject({ code: expect.any(String) });
    const trailers = Object.keys(failed.fields ?? {}).filter(
      (name) => name.startsWith('trailer-') || name.startsWith('x-'),
    );
    expect(trailers, 'fields that the page may read').not.toEqual([]);

    const before = echo.probe.headers.length;
    await page.goto(stranger.origin);
    expect(await callFrom(page, url, 'hello')).toMatchObject({ error: expect.stringContaining('Failed to fetch') });
    expect(echo.probe.headers.length, 'the preflight kept the call from being made').toBe(before);
    await page.close();
  });
});
