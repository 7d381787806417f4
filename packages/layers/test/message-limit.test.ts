import { Code, type CallPolicy } from '@bascule/core';
import { startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createMessageLimitLayer } from '../src/index.ts';
import { createCallee, knownHead, OK, OK_HEAD, turn, type Received } from './rig.ts';

function begin(policy: CallPolicy) {
  const callee = createCallee();
  const call = startCall(createMessageLimitLayer()(callee.service), knownHead('unknown', 'bidi_stream', { policy }));
  return { call, got: callee.calls[0] as Received };
}

const messageOf = (length: number): Buffer => {
  const bytes = Buffer.alloc(5 + length, 'x');
  bytes.writeUInt8(0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
};

describe('createMessageLimitLayer', () => {
  it('ends a call with a request that says it will be too long, and hands nothing of it on', () => {
    const { call, got } = begin({ maxRequestBytes: 10 });
    const bytes = Buffer.concat([messageOf(10), messageOf(3)]);
    call.body.write(bytes);
    expect(got.text).toHaveLength(bytes.length);
    call.body.write(messageOf(11).subarray(0, 4));
    call.body.write(messageOf(11).subarray(4, 5));
    expect(got.cancels).toEqual(['protocol-error']);
    expect(call.error).toMatchObject({
      code: Code.resourceExhausted,
      message: 'a request message of 11 bytes is longer than the 10 that this method allows',
    });
    call.body.write(messageOf(1));
    call.body.end();
    expect([got.text.length, got.ends]).toEqual([bytes.length + 4, []]);
  });

  it('ends a call with an answer that is too long', async () => {
    const { call, got } = begin({ maxResponseBytes: 3 });
    await turn();
    got.reply.head(OK_HEAD);
    got.reply.write(messageOf(3));
    got.reply.write(messageOf(0xffff));
    got.reply.end(OK);
    expect(call.bytes()).toHaveLength(8);
    expect(call.error).toMatchObject({ code: Code.resourceExhausted, message: expect.stringContaining('response') });
    expect([got.cancels, call.trailers]).toEqual([['protocol-error'], undefined]);
  });

  it('allows only empty messages with a limit of 0', () => {
    const { call, got } = begin({ maxRequestBytes: 0, maxResponseBytes: 0 });
    got.reply.write(messageOf(0));
    call.body.write(messageOf(0));
    expect(call.error).toBeUndefined();
    call.body.write(messageOf(1));
    expect(call.error?.code).toBe(Code.resourceExhausted);
  });
});
