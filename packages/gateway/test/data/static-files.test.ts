import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getField, INITIAL_CREDIT_BYTES } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { notFound } from '../../src/data/not-found.ts';
import { createFileReader } from '../../src/data/file-reader.ts';
import { createStaticFiles } from '../../src/data/static-files.ts';

const top = mkdtempSync(join(tmpdir(), 'bascule-static-'));
const folder = join(top, 'site');
mkdirSync(folder);
writeFileSync(join(top, 'secret.txt'), 'secret');
writeFileSync(join(folder, 'index.html'), '<h1>hello</h1>');
writeFileSync(join(folder, 'app-1a2b3c4d.js'), 'x'.repeat(300_000));
symlinkSync(join(top, 'secret.txt'), join(folder, 'link.txt'));
afterAll(() => rmSync(top, { recursive: true }));

const files = createStaticFiles(folder, notFound);

function get(path: string, fields: string[] = [], method = 'GET', autoGrant = true) {
  return startCall(files, createHead({ method, path, fields }), autoGrant);
}

describe('static files', () => {
  it('serves the index of a folder, to be asked for again each time', async () => {
    const call = get('/?from=mail');
    await call.done;
    expect(call.heads[0]?.status).toBe(200);
    expect(getField(call.heads[0]?.fields ?? [], 'cache-control')).toBe('no-cache');
    expect(Buffer.from(call.bytes()).toString()).toBe('<h1>hello</h1>');
  });

  it('lets a browser keep a file whose name holds its digest, and answers 304 to what it has', async () => {
    const call = get('/app-1a2b3c4d.js');
    await call.done;
    const fields = call.heads[0]?.fields ?? [];
    expect(getField(fields, 'cache-control')).toContain('immutable');
    expect(call.bytes().length).toBe(300_000);
    const again = get('/app-1a2b3c4d.js', ['if-none-match', getField(fields, 'etag') as string]);
    await again.done;
    expect(again.heads[0]?.status).toBe(304);
    expect(again.chunks).toEqual([]);
  });

  it('writes no more than it was granted', async () => {
    const call = get('/app-1a2b3c4d.js', [], 'GET', false);
    while (call.chunks.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(call.bytes().length).toBe(INITIAL_CREDIT_BYTES);
    call.body.grant(300_000 - INITIAL_CREDIT_BYTES);
    await call.done;
    expect(call.bytes().length).toBe(300_000);
  });

  it('reads a file once for all who take it at the same time, and anew when it has changed', async () => {
    const read = createFileReader();
    const path = join(folder, 'shared.txt');
    writeFileSync(path, 'old');
    const [first, second] = await Promise.all([read(path), read(path)]);
    expect(first).toBeDefined();
    expect(second).toBe(first);
    expect(await read(path)).toBe(first);
    writeFileSync(path, 'new words');
    expect(Buffer.from((await read(path))?.bytes ?? []).toString()).toBe('new words');
    expect(Buffer.from(first?.bytes ?? []).toString()).toBe('old');
  });

  it.each([
    ['out by dots', '/../secret.txt'],
    ['out by encoded dots', '/%2e%2e/secret.txt'],
    ['out by encoded slashes', '/..%2fsecret.txt'],
    ['out by a link', '/link.txt'],
    ['a folder', '/.'],
    ['a broken escape', '/%zz'],
    ['a NUL', '/index.html%00'],
    ['what is not there', '/missing.js'],
  ])('does not find %s', async (_name, path) => {
    const call = get(path);
    await call.done;
    expect(call.heads[0]?.status).toBe(404);
    expect(Buffer.from(call.bytes()).toString()).toBe('not found\n');
  });

  it('answers HEAD without a body, and leaves other methods to the next', async () => {
    const head = get('/index.html', [], 'HEAD');
    await head.done;
    expect(head.heads[0]?.status).toBe(200);
    expect(head.chunks).toEqual([]);
    const post = get('/index.html', [], 'POST');
    await post.done;
    expect(post.heads[0]?.status).toBe(404);
  });
});
