/**
 * A browser under test as a client: Chromium runs Bascule's transport in a page that a gateway serves, and the gateway
 * calls the server that a case is for. Cases over HTTP/2 reach the gateway over TLS, which browsers ask for.
 */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire';
import type { Page } from 'playwright-core';
import { TEST_TLS } from '@bascule/testing/tls';
import { openBrowser } from '../../browser/rig/open-browser.ts';
import { answerEach } from '../answering.ts';
import type { Caller } from '../callers.ts';
import { encodeMessage } from '../framing.ts';
import { createFronts, redirect } from '../gateway/fronts.ts';
import type { Front } from '../gateway/front.ts';
import { loadStubs } from '../load-stubs.ts';
import { HttpVersion, Protocol, type ClientCompatRequest } from '../messages.ts';
import { buildSite } from './site.ts';

const CREDENTIALS = { cert: Buffer.from(TEST_TLS.cert), key: Buffer.from(TEST_TLS.key) };
/** As many as a browser has connections for, over HTTP/1.1. */
const MAX_RUNNING = 6;

const stubs = await loadStubs();
const requestSchema = stubs.message('ClientCompatRequest');
const responseSchema = stubs.message('ClientCompatResponse');
const site = await buildSite(stubs.schemaFile);
const fronts = createFronts(stubs, ({ httpVersion }) => ({
  pageFolder: site.folder,
  ...(httpVersion === HttpVersion.two && { tls: { credentials: CREDENTIALS } }),
}));
const browser = await openBrowser();
// The certificate is nobody's, so that nobody vouches for it.
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const pages = new Map<Front, Promise<Page>>();

function pageOf(front: Front, { httpVersion }: ClientCompatRequest): Promise<Page> {
  const page = pages.get(front) ?? openPage(front.gateway.apiPort, httpVersion);
  pages.set(front, page);
  return page;
}

async function openPage(port: number, httpVersion: number): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', ({ message }) => process.stderr.write(`page: ${message}\n`));
  await page.goto(`${httpVersion === HttpVersion.two ? 'https' : 'http'}://127.0.0.1:${port}/index.html`);
  await page.waitForFunction(() => globalThis.answer !== undefined);
  return page;
}

async function answer(bytes: Uint8Array): Promise<void> {
  const request = fromBinary(requestSchema, bytes);
  const front = await fronts.of(request);
  const page = await pageOf(front, request);
  const caller: Caller = request.protocol === Protocol.connect ? 'connect' : 'grpc-web';
  const redirected = redirect(stubs, request, { caller, port: front.gateway.apiPort });
  const given = base64Encode(toBinary(requestSchema, redirected));
  const response = await page.evaluate((text) => globalThis.answer?.(text) ?? '', given);
  process.stdout.write(encodeMessage(responseSchema, fromBinary(responseSchema, base64Decode(response))));
}

await answerEach(MAX_RUNNING, answer);
await browser.close();
await fronts.close();
await site.close();
