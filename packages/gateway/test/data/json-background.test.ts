import { gzipSync } from 'node:zlib';
import { Code, createVirtualClock, type Body } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { DECODE_LIMITS } from '../../src/data/json/limits.ts';
import { callee, frame, framesOf, headOf, MIB, nothing, rig } from './json-rig.ts';

describe('in the background', () => {
  const large = (text: string): Uint8Array => frame(JSON.stringify({ text: text.repeat(2 * MIB) }));

  function writeAll(call: { readonly body: Body }, bytes: Uint8Array): void {
    // The rig's caller is not strict about credit: what is granted is checked by the contract.
    for (let at = 0; at < bytes.length; at += 60_000) call.body.write(bytes.subarray(at, at + 60_000));
  }

  it('converts large messages, in order', async () => {
    const call = rig().call(callee(nothing()), headOf('Chat'));
    writeAll(call, Buffer.concat([frame('{"text":"first"}'), large('a'), frame('{"text":"then"}'), large('b')]));
    call.body.end();
    await call.done;
    expect(call.error).toBeUndefined();
    const texts = framesOf(call.bytes()).map(
      ({ message }) => (JSON.parse(message.toString()) as { text: string }).text,
    );
    expect(texts.map((text) => `${text.slice(0, 5)} ${text.length}`)).toEqual([
      'first 5',
      `aaaaa ${2 * MIB}`,
      'then 4',
      `bbbbb ${2 * MIB}`,
    ]);
  });

  it.each([
    // What only its parser finds wrong, at its end.
    ['of many values', `{"children":[${Array(45_000).fill('{}').join(',')},7]}`, /rich\.v1\.Plain/],
    [
      'of large values',
      `{"children":[${Array(45_000)
        .fill(`{"text":"${'x'.repeat(70)}"}`)
        .join(',')},7]}`,
      /rich\.v1/,
    ],
    ['that unfolds to a mask', JSON.stringify({ mask: `${'a,'.repeat(MIB)}a_b` }), /FieldMask/],
  ])('answers other calls while it works on a message %s', async (_name, json, reason) => {
    const { call } = rig();
    const seen = nothing();
    const method = json.startsWith('{"mask"') ? 'Copy' : 'Plain';
    const bomb = call(callee(seen), headOf(method, ['grpc-encoding', 'gzip']));
    writeAll(bomb, frame(gzipSync(json), 1));
    let good = 0;
    while (bomb.error === undefined) {
      const one = call(callee(nothing()), headOf('Plain'));
      one.body.write(frame('{"text":"good"}'));
      one.body.end();
      await one.done;
      expect(one.trailers?.[1]).toBe('0');
      good++;
      await new Promise((resolve) => void setImmediate(resolve));
    }
    expect(bomb.error).toMatchObject({ code: Code.invalidArgument, message: expect.stringMatching(reason) });
    expect(good).toBeGreaterThan(20);
    expect(seen.head).toBeUndefined();
  });

  it('takes only so many at once, and drops those whose callers go before their turn', async () => {
    const { call } = rig();
    const calls = Array.from({ length: 20 }, () => call(callee(nothing()), headOf('Plain')));
    for (const one of calls) writeAll(one, large('x'));
    await expect.poll(() => calls.filter(({ error }) => error !== undefined)).toHaveLength(3);
    expect(calls.at(-1)?.error).toMatchObject({
      code: Code.resourceExhausted,
      message: expect.stringContaining('too many large JSON messages at once'),
    });
    for (const one of calls.slice(1, 17)) one.body.cancel('caller-gone');
    calls[0]?.body.end();
    await calls[0]?.done;
    expect(calls[0]?.error).toBeUndefined();
    expect(calls.slice(1, 17).every(({ error, trailers }) => error === undefined && trailers === undefined)).toBe(true);
  });

  it('holds the slot of a cancelled call until its message is done with', async () => {
    const { call } = rig();
    const head = headOf('Plain');
    const one = call(callee(nothing()), head);
    writeAll(one, large('x'));
    one.body.cancel('caller-gone');
    expect(head.call.work).toBe(1);
    await expect.poll(() => head.call.work).toBe(0);
  });

  it('ends its worker when it is idle, and starts another when needed', async () => {
    const clock = createVirtualClock();
    const { call } = rig({ clock, limits: { ...DECODE_LIMITS, maxThreadBytes: 10 } });
    for (let i = 0; i < 2; i++) {
      const one = call(callee(nothing()), headOf('Plain'));
      one.body.write(frame('{"text":"more than ten bytes"}'));
      one.body.end();
      await one.done;
      expect(one.error).toBeUndefined();
      expect(clock.pending()).toBe(1);
      clock.advance(10_000);
      expect(clock.pending()).toBe(0);
    }
  });

  it('fails what is open when it closes', async () => {
    const { transcoding, call } = rig();
    const one = call(callee(nothing()), headOf('Plain'));
    writeAll(one, large('x'));
    await transcoding.close();
    await one.done;
    expect(one.error?.code).toBe(Code.unavailable);
  });
});
