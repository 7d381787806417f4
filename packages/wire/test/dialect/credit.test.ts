import { INITIAL_CREDIT_BYTES } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createEdge, decodeChunks, frame, lastFrame, latin1, onlyCall, readAnswer, startAs } from './support/callee.ts';

const HEAD = { status: 200, fields: ['content-type', 'application/grpc'] };
const LARGE = { maxMessageBytes: 4_194_304 };

function startStingy(edge: ReturnType<typeof createEdge>, contentType: string, ...fields: string[]) {
  return startCall(edge.service, createHead({ fields: ['content-type', contentType, ...fields] }), false);
}

describe('credit for answers', () => {
  it.each(['application/grpc-web', 'application/connect+proto'])(
    '%s holds its last frame until there is room',
    async (type) => {
      const edge = createEdge(LARGE);
      const call = startStingy(edge, type);
      const seen = onlyCall(edge);
      const message = frame('x'.repeat(INITIAL_CREDIT_BYTES - 5));
      seen.reply.head(HEAD);
      seen.reply.write(message);
      seen.reply.end(['grpc-status', '0', 'x-tail', 'word']);
      expect(call.bytes().length).toBe(INITIAL_CREDIT_BYTES);
      expect(call.trailers).toBeUndefined();
      call.body.grant(3);
      expect(call.bytes().length).toBe(INITIAL_CREDIT_BYTES + 3);
      expect(call.trailers).toBeUndefined();
      call.body.grant(1000);
      await call.done;
      expect(latin1(call.bytes())).toContain('word');
      expect(readAnswer(call).code).toBe(0);
      // The callee was done: what came later was room for us alone.
      expect(seen.granted).toBe(0);
      expect(edge.violations).toEqual([]);
    },
  );

  it('text mode gives the callee room as its text leaves', () => {
    const edge = createEdge(LARGE);
    const call = startStingy(edge, 'application/grpc-web-text');
    const seen = onlyCall(edge);
    const message = frame('x'.repeat(INITIAL_CREDIT_BYTES - 5));
    seen.reply.head(HEAD);
    seen.reply.write(message);
    expect(call.bytes().length).toBe(INITIAL_CREDIT_BYTES);
    expect(seen.granted).toBe(0);
    call.body.grant(INITIAL_CREDIT_BYTES / 3);
    expect(seen.granted).toBe(INITIAL_CREDIT_BYTES);
    expect(latin1(decodeChunks(call.bytes()))).toBe(latin1(message));
    expect(edge.violations).toEqual([]);
  });

  it('Connect unary takes a whole answer by room of its own, and writes it within the room of the caller', async () => {
    const edge = createEdge(LARGE);
    const call = startStingy(edge, 'application/proto');
    const seen = onlyCall(edge);
    const message = frame('x'.repeat(200_000));
    seen.reply.head(HEAD);
    for (let at = 0; at < message.length; at += 50_000) seen.reply.write(message.subarray(at, at + 50_000));
    expect(seen.granted).toBe(message.length);
    seen.reply.end(['grpc-status', '0']);
    expect(call.bytes().length).toBe(INITIAL_CREDIT_BYTES);
    expect(call.trailers).toBeUndefined();
    call.body.grant(200_000);
    await call.done;
    expect(call.bytes().length).toBe(200_000);
    expect(edge.violations).toEqual([]);
  });

  it('is forgotten with what it held when the caller gives up', () => {
    const edge = createEdge(LARGE);
    const call = startStingy(edge, 'application/grpc-web');
    const seen = onlyCall(edge);
    seen.reply.head(HEAD);
    seen.reply.write(frame('x'.repeat(INITIAL_CREDIT_BYTES - 5)));
    seen.reply.end(['grpc-status', '0']);
    call.body.cancel('caller-gone');
    call.body.grant(1000);
    expect(call.trailers).toBeUndefined();
    // It had ended: there is nothing to cancel.
    expect(seen.cancelled).toBeUndefined();
    expect(edge.violations).toEqual([]);
  });
});

describe('credit for requests', () => {
  it('passes one to one where bytes do', () => {
    const edge = createEdge(LARGE);
    const call = startStingy(edge, 'application/grpc-web');
    onlyCall(edge).reply.grant(1234);
    expect(call.granted).toBe(1234);
  });

  it('never shrinks in text mode, however long the upload', () => {
    const edge = createEdge(LARGE);
    const call = startStingy(edge, 'application/grpc-web-text');
    const seen = onlyCall(edge);
    const message = frame('x'.repeat(2_000_000));
    const text = Buffer.from(Buffer.from(message).toString('base64'), 'latin1');
    let sent = 0;
    let granted = 0;
    // The largest piece that credit allows, cut at odd places; the callee grants what it got.
    for (let round = 0; sent < text.length; round++) {
      const room = INITIAL_CREDIT_BYTES + call.granted - sent;
      expect(room).toBeGreaterThan(INITIAL_CREDIT_BYTES - 4);
      const piece = text.subarray(sent, sent + Math.max(1, room - (round % 5)));
      sent += piece.length;
      call.body.write(piece);
      const got = seen.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      seen.reply.grant(got - granted);
      granted = got;
    }
    call.body.end();
    expect(seen.ended).toBe(true);
    expect(Buffer.concat(seen.chunks)).toEqual(message);
    expect(edge.violations).toEqual([]);
  });

  it('makes up for the prefix of a Connect unary message', () => {
    const edge = createEdge(LARGE);
    const body = Buffer.alloc(INITIAL_CREDIT_BYTES + 100, 7);
    const call = startStingy(edge, 'application/proto', 'content-length', String(body.length));
    const seen = onlyCall(edge);
    call.body.write(body.subarray(0, INITIAL_CREDIT_BYTES));
    expect(Buffer.concat(seen.chunks).length).toBe(INITIAL_CREDIT_BYTES);
    seen.reply.grant(3);
    expect(call.granted).toBe(0);
    seen.reply.grant(102);
    expect(call.granted).toBe(100);
    call.body.write(body.subarray(INITIAL_CREDIT_BYTES));
    call.body.end();
    expect(Buffer.concat(seen.chunks)).toEqual(frame(body));
    expect(seen.ended).toBe(true);
    expect(edge.violations).toEqual([]);
  });

  it('comes from the layer itself while it keeps a Connect unary message of unknown length', () => {
    const edge = createEdge(LARGE);
    const call = startStingy(edge, 'application/proto');
    const seen = onlyCall(edge);
    for (let i = 0; i < 4; i++) call.body.write(Buffer.alloc(50_000, i));
    expect(call.granted).toBe(200_000);
    expect(seen.chunks).toEqual([]);
    call.body.end();
    expect(Buffer.concat(seen.chunks).length).toBe(INITIAL_CREDIT_BYTES);
    expect(seen.ended).toBe(false);
    seen.reply.grant(200_000);
    expect(Buffer.concat(seen.chunks).length).toBe(200_005);
    expect(seen.ended).toBe(true);
    expect(edge.violations).toEqual([]);
  });

  it('ends at the limit of a message', async () => {
    const edge = createEdge({ maxMessageBytes: 100_000 });
    const call = startStingy(edge, 'application/proto');
    for (let i = 0; i < 3 && call.heads.length === 0; i++) call.body.write(Buffer.alloc(50_000));
    await call.done;
    expect(call.granted).toBe(100_000);
    expect(readAnswer(call)).toMatchObject({ http: 429, code: 8 });
    expect(edge.violations).toEqual([]);
  });
});

describe('bytes that are lent', () => {
  it('are copied where they must wait', async () => {
    const edge = createEdge(LARGE);
    const call = startStingy(edge, 'application/proto');
    const seen = onlyCall(edge);
    const buffer = Buffer.from(frame('true'));
    seen.reply.head(HEAD);
    seen.reply.write(buffer);
    buffer.fill(0);
    seen.reply.end(['grpc-status', '0']);
    await call.done;
    expect(latin1(call.bytes())).toBe('true');
  });

  it('are copied where the request waits', () => {
    const edge = createEdge(LARGE);
    const call = startAs(edge, 'application/proto');
    const buffer = Buffer.from('true');
    call.body.write(buffer);
    buffer.fill(0);
    call.body.end();
    expect(Buffer.concat(onlyCall(edge).chunks)).toEqual(frame('true'));
    expect(lastFrame(Buffer.concat(onlyCall(edge).chunks), 0)).toEqual(Buffer.from('true'));
  });
});
