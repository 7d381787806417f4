import { getAllFields, getField, type Fields } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { cors as official } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import type { CorsOptions } from '../../src/dialect/cors/cors.ts';
import { createEdge, frame, onlyCall, startAs } from './support/callee.ts';

const GOOD = 'https://app.example.com';

async function preflight(cors: CorsOptions | undefined, origin: string, ...fields: string[]) {
  const edge = createEdge({ cors });
  const asked = ['origin', origin, 'access-control-request-method', 'POST', ...fields];
  const call = startCall(edge.service, createHead({ method: 'OPTIONS', fields: asked }));
  if (edge.others.length === 0) await call.done;
  expect(edge.violations).toEqual([]);
  return { edge, head: call.heads[0] };
}

async function answer(
  cors: CorsOptions | undefined,
  origin: string,
  contentType = 'application/grpc-web',
): Promise<Fields> {
  const edge = createEdge({ cors });
  const call = startAs(edge, contentType, 'origin', origin);
  const { reply } = onlyCall(edge);
  reply.head({ status: 200, fields: ['content-type', 'application/grpc', 'x-from-head', '1'] });
  reply.write(frame('m'));
  reply.end(['grpc-status', '0', 'x-from-tail', '1']);
  await call.done;
  expect(edge.violations).toEqual([]);
  return call.heads[0]?.fields ?? [];
}

function list(fields: Fields, name: string): string[] {
  return (getField(fields, name) ?? '').split(', ').filter((item) => item !== '');
}

describe('preflights', () => {
  it('permit what every dialect sends, and what is configured', async () => {
    const { head } = await preflight({ allowOrigins: [GOOD], allowHeaders: ['Authorization'] }, GOOD);
    const fields = head?.fields ?? [];
    expect(head?.status).toBe(204);
    expect(getField(fields, 'access-control-allow-origin')).toBe(GOOD);
    expect(getField(fields, 'access-control-allow-credentials')).toBeUndefined();
    expect(list(fields, 'access-control-allow-methods')).toEqual(['POST', 'GET']);
    // accept-encoding is the browser's own; grpc-message-type is sent by nobody here.
    const not = ['accept-encoding', 'grpc-message-type'];
    const needed = official.allowedHeaders.map((name) => name.toLowerCase()).filter((name) => !not.includes(name));
    needed.push('authorization');
    expect(list(fields, 'access-control-allow-headers')).toEqual(expect.arrayContaining(needed));
    expect(list(fields, 'access-control-allow-headers')).not.toContain('*');
    expect(getField(fields, 'access-control-max-age')).toBe('7200');
    expect(getField(fields, 'vary')).toBe('origin, access-control-request-method, access-control-request-headers');
    expect(getField(fields, 'content-length')).toBeUndefined();
  });

  it('reflect what a page asks for where any field is permitted', async () => {
    const asked = ['access-control-request-headers', 'x-one,X-Two'];
    const { head } = await preflight({ allowOrigins: ['*'], allowHeaders: ['*'] }, GOOD, ...asked);
    const allowed = list(head?.fields ?? [], 'access-control-allow-headers');
    expect(allowed).toEqual(expect.arrayContaining(['x-one', 'x-two', 'content-type']));
    expect(allowed).not.toContain('*');
    const evil = await preflight(
      { allowOrigins: ['*'], allowHeaders: ['*'] },
      GOOD,
      'access-control-request-headers',
      'a\r\nb',
    );
    expect(JSON.stringify(evil.head?.fields)).not.toContain('\\r');
  });

  it.each([
    ['https://evil.example'],
    ['null'],
    [`${GOOD}.evil.example`],
    ['http://app.example.com'],
    [GOOD.toUpperCase()],
  ])('refuse %s', async (origin) => {
    const { head } = await preflight({ allowOrigins: [GOOD, 'null'], allowCredentials: true }, origin);
    expect(head?.status).toBe(403);
    expect(getField(head?.fields ?? [], 'access-control-allow-origin')).toBeUndefined();
    expect(getField(head?.fields ?? [], 'vary')).toContain('origin');
  });

  it('go on where CORS is off, and for what is not RPC', async () => {
    expect((await preflight(undefined, GOOD)).edge.others.length).toBe(1);
    const edge = createEdge({ cors: { allowOrigins: ['*'] } });
    const fields = ['origin', GOOD, 'access-control-request-method', 'POST'];
    startCall(edge.service, createHead({ method: 'OPTIONS', path: '/files', fields }));
    expect(edge.others.length).toBe(1);
  });
});

describe('answers to pages', () => {
  it('say who may read them, and name every field that they carry', async () => {
    const fields = await answer({ allowOrigins: [GOOD], exposeHeaders: ['X-Extra'] }, GOOD);
    expect(getField(fields, 'access-control-allow-origin')).toBe(GOOD);
    expect(getAllFields(fields, 'vary')).toEqual(['origin']);
    expect(list(fields, 'access-control-expose-headers')).toEqual([
      'grpc-status',
      'grpc-message',
      'grpc-status-details-bin',
      'x-extra',
      'x-from-head',
    ]);
  });

  it('name the trailers that stand in the head', async () => {
    const unary = await answer({ allowOrigins: [GOOD] }, GOOD, 'application/proto');
    expect(list(unary, 'access-control-expose-headers')).toEqual(
      expect.arrayContaining(['x-from-head', 'trailer-x-from-tail']),
    );
    const edge = createEdge({ cors: { allowOrigins: [GOOD] } });
    const call = startAs(edge, 'application/grpc-web', 'origin', GOOD);
    onlyCall(edge).reply.end(['grpc-status', '5', 'x-why', 'a']);
    await call.done;
    expect(list(call.heads[0]?.fields ?? [], 'access-control-expose-headers')).toContain('x-why');
  });

  it('let cookies come along from listed origins only', async () => {
    const cors = { allowOrigins: [GOOD, '*'], allowCredentials: true };
    expect(getField(await answer(cors, GOOD), 'access-control-allow-credentials')).toBe('true');
    const other = await answer(cors, 'https://other.example');
    expect(getField(other, 'access-control-allow-origin')).toBe('*');
    expect(getField(other, 'access-control-allow-credentials')).toBeUndefined();
  });

  it('say nothing to origins that are not permitted', async () => {
    for (const origin of ['https://evil.example', 'null', `${GOOD}.evil.example`]) {
      const fields = await answer({ allowOrigins: [GOOD], allowCredentials: true }, origin);
      expect(fields.filter((name) => name.startsWith('access-control-'))).toEqual([]);
      expect(getField(fields, 'vary')).toBe('origin');
    }
  });

  it('need nothing on the page of the same origin', async () => {
    const fields = await answer({ allowOrigins: [GOOD] }, 'http://test.local');
    expect(fields).toEqual(['content-type', 'application/grpc-web', 'x-from-head', '1']);
  });

  it('that refuse a call can be read too', async () => {
    const edge = createEdge({ cors: { allowOrigins: [GOOD] } });
    const call = startAs(edge, 'application/grpc-web', 'origin', GOOD, 'grpc-timeout', 'soon');
    await call.done;
    expect(getField(call.heads[0]?.fields ?? [], 'access-control-allow-origin')).toBe(GOOD);
  });
});
