import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TEST_TLS } from '@bascule/testing/tls';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEcho } from '../e2e/rig/echo.ts';
import { eventually } from '../e2e/rig/eventually.ts';
import { makeFolder } from '../e2e/rig/folder.ts';
import { startTestGateway } from '../e2e/rig/gateway.ts';
import { openBrowser } from './rig/open-browser.ts';

interface Seen {
  readonly answers: string[];
  /** What the browser spoke, as it says itself. */
  readonly protocols: string[];
  readonly counted: number;
}

/** Many calls at once and a stream, as a page's own script would make them. */
function callFrom(page: Page, service: string): Promise<Seen> {
  return page.evaluate(async (service) => {
    const post = (method: string, type: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
      fetch(`/${service}/${method}`, {
        method: 'POST',
        headers: { 'content-type': type, 'connect-protocol-version': '1' },
        body,
      });
    const words = Array.from({ length: 50 }, (_, i) => `word ${i}`);
    const answers = await Promise.all(
      words.map(
        async (word) => (await post('Say', 'application/json', JSON.stringify(word))).json() as Promise<string>,
      ),
    );
    const json = new TextEncoder().encode('200');
    const envelope = new Uint8Array(5 + json.length);
    new DataView(envelope.buffer).setUint32(1, json.length);
    envelope.set(json, 5);
    const stream = await post('Count', 'application/connect+json', envelope);
    const bytes = new DataView(await stream.arrayBuffer());
    let counted = 0;
    for (let at = 0; at < bytes.byteLength; at += 5 + bytes.getUint32(at + 1)) if (bytes.getUint8(at) === 0) counted++;
    const entries = performance.getEntriesByType('resource') as unknown as { nextHopProtocol: string }[];
    return { answers, counted, protocols: [...new Set(entries.map((entry) => entry.nextHopProtocol))] };
  }, service);
}

describe('a browser over TLS', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  it.each([0, 2])('speaks HTTP/2 with the gateway, with %s workers', async (workers) => {
    await using folder = await makeFolder();
    await writeFile(join(folder.path, 'cert.pem'), TEST_TLS.cert);
    await writeFile(join(folder.path, 'key.pem'), TEST_TLS.key);
    const tls = { certFile: join(folder.path, 'cert.pem'), keyFile: join(folder.path, 'key.pem') };
    await using gateway = await startTestGateway({ workers, config: { listener: { tls } } });
    await using echo = await startEcho({ registry: gateway.registry });
    const service = echo.server.endpoint.services[0] as string;
    await eventually(async () => expect((await gateway.operator.admin.listEndpoints({})).endpoints).toHaveLength(1));
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    try {
      const page = await context.newPage();
      await page.goto(`https://127.0.0.1:${gateway.apiPort}/`);
      const seen = await callFrom(page, service);
      expect(seen.answers).toEqual(Array.from({ length: 50 }, (_, i) => `word ${i}`));
      expect(seen.counted).toBe(200);
      expect(seen.protocols).toEqual(['h2']);
    } finally {
      await context.close();
    }
  });
});
