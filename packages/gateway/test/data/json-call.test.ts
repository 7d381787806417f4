import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { Code, getField, type Reply, type Service } from '@bascule/core';
import { describeServiceContract, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createTranscoder } from '../../src/data/json/call.ts';
import type { Converter } from '../../src/data/json/converter.ts';
import { endpointOf } from '../support.ts';
import { RICH_SERVICE } from './json-schema.ts';
import { callee, frame, framesOf, headOf, leaseOf, MIB, nothing, protoOf, RICH, rig } from './json-rig.ts';

/** Messages as they are, at once or from elsewhere. */
const asTheyAre: Converter = {
  convert: ({ bytes }) => ({ bytes: new Uint8Array(bytes), compressed: false }),
  convertLater: () => ({ cancel: () => true }),
};
const fromElsewhere: Converter = {
  convert: () => 'later',
  convertLater({ bytes }, done) {
    const copy = new Uint8Array(bytes);
    setImmediate(() => done({ bytes: copy, compressed: false }));
    return { cancel: () => false };
  },
};

for (const [name, converter] of [
  ['at once', asTheyAre],
  ['in the background', fromElsewhere],
] as const) {
  for (const requestStreams of [true, false]) {
    describeServiceContract(
      `a transcoder that converts ${name}, ${requestStreams ? 'starting at once' : 'starting with the message'}`,
      (callee) => ({
        service: createTranscoder(callee, {
          request: converter,
          response: converter,
          requestStreams,
          maxMessageBytes: 4 * MIB,
        }),
      }),
    );
  }
}

describe('transcoding', () => {
  it('leaves calls alone that are not JSON, and endpoints that take it', () => {
    const { transcoding } = rig();
    const { lease } = leaseOf(callee(nothing()));
    expect(transcoding.adapt(lease, headOf('Plain', [], 'application/grpc+proto'))).toBe(lease);
    expect(transcoding.adapt(lease, headOf('Plain', [], 'application/grpc'))).toBe(lease);
    const takesJson = { ...lease, endpoint: endpointOf({ codecs: ['proto', 'json'] }) };
    expect(transcoding.adapt(takesJson, headOf('Plain'))).toBe(takesJson);
  });

  it('gives the lease back as it was lent', () => {
    const { transcoding } = rig();
    const { lease, released } = leaseOf(callee(nothing()));
    const adapted = transcoding.adapt(lease, headOf('Plain'));
    expect(adapted.endpoint).toBe(lease.endpoint);
    adapted.release({ code: Code.ok, by: 'callee', message: '' });
    expect(released).toHaveLength(1);
  });

  it('brings protobuf to the callee and JSON back, cut anywhere', async () => {
    const seen = nothing();
    const call = rig().call(callee(seen), headOf('Plain', ['x-own', '1']));
    for (const byte of frame('{"text":"größer","numbers":[1,2]}')) call.body.write(Uint8Array.of(byte));
    call.body.end();
    await call.done;
    expect(getField(seen.head?.fields ?? [], 'content-type')).toBe('application/grpc+proto');
    expect(getField(seen.head?.fields ?? [], 'x-own')).toBe('1');
    expect(framesOf(seen.bytes)[0]?.message).toEqual(Buffer.from(protoOf({ text: 'größer', numbers: [1, 2] })));
    expect(getField(call.heads[0]?.fields ?? [], 'content-type')).toBe('application/grpc+json');
    expect(framesOf(call.bytes()).map(({ message }) => message.toString())).toEqual([
      '{"text":"größer","numbers":[1,2]}',
    ]);
    expect(call.trailers).toEqual(['grpc-status', '0', 'x-trailer', 'afterwards']);
  });

  it('never lets a callee hear of a single request that cannot be read', async () => {
    const seen = nothing();
    const call = rig().call(callee(seen), headOf('Plain'));
    call.body.write(frame('{"text":7}'));
    await call.done;
    expect(call.error).toMatchObject({
      code: Code.invalidArgument,
      message: expect.stringContaining('rich.v1.Plain.text'),
    });
    expect(seen.head).toBeUndefined();
  });

  it('tells a callee of a stream before its first message, and of one that cannot be read', async () => {
    const seen = nothing();
    const call = rig().call(callee(seen), headOf('Chat'));
    expect(seen.head?.path).toBe(`/${RICH_SERVICE}/Chat`);
    call.body.write(frame('{"text":"a"}'));
    call.body.write(frame('not JSON'));
    await call.done;
    expect(call.error?.code).toBe(Code.invalidArgument);
    expect(framesOf(seen.bytes)).toHaveLength(1);
    expect(seen.cancels).toEqual(['protocol-error']);
  });

  it('says that a service answered what is no message of its type', async () => {
    const seen = nothing();
    const answer = (reply: Reply): void => {
      reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
      reply.write(frame(Uint8Array.of(0x0a, 0x05, 0x61)));
    };
    const call = rig().call(callee(seen, answer), headOf('Plain'));
    call.body.write(frame('{}'));
    call.body.end();
    await call.done;
    expect(call.error).toMatchObject({ code: Code.internal });
    expect(seen.cancels).toEqual(['protocol-error']);
  });

  it.each([
    ['a message without its end', [frame('{}').subarray(0, 6)], Code.invalidArgument],
    ['a prefix without its end', [Uint8Array.of(0, 0)], Code.invalidArgument],
    ['flags that nobody knows', [frame('{}', 0x40)], Code.internal],
    ['a message that is too large', [Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff)], Code.resourceExhausted],
    ['compression without an encoding', [frame('{}', 1)], Code.internal],
  ])('refuses %s', async (_name, pieces, code) => {
    const call = rig().call(callee(nothing()), headOf('Plain'));
    for (const piece of pieces) call.body.write(piece);
    call.body.end();
    await call.done;
    expect(call.error?.code).toBe(code);
  });

  it('passes a status without messages, and what a failing callee had said before', async () => {
    const details = ['grpc-status', '5', 'grpc-message', 'gone', 'grpc-status-details-bin', 'CAUSBGdvbmU'];
    const plain = rig().call(
      callee(nothing(), (reply) => reply.end(details)),
      headOf('Plain'),
    );
    plain.body.write(frame('{}'));
    plain.body.end();
    await plain.done;
    expect(plain.trailers).toEqual(details);
    const broken = rig().call(
      callee(nothing(), (reply) => {
        reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
        reply.write(frame(protoOf({ text: 'first' })));
        reply.write(frame(protoOf({ text: 'second' })).subarray(0, 8));
        reply.end(details);
      }),
      headOf('Chat'),
    );
    broken.body.end();
    await broken.done;
    expect(framesOf(broken.bytes()).map(({ message }) => message.toString())).toEqual(['{"text":"first"}']);
    expect(broken.trailers).toEqual(details);
  });

  it('does not take an answer for whole that ends in the middle of a message', async () => {
    const call = rig().call(
      callee(nothing(), (reply) => {
        reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
        reply.write(frame(protoOf({ text: 'second' })).subarray(0, 8));
        reply.end(['grpc-status', '0']);
      }),
      headOf('Chat'),
    );
    call.body.end();
    await call.done;
    expect(call.error?.code).toBe(Code.internal);
  });

  it('reads and writes compressed messages, and asks only for what it can read', async () => {
    const seen = nothing();
    const text = 'abc'.repeat(1_000);
    const fields = ['grpc-encoding', 'gzip', 'grpc-accept-encoding', 'snappy, gzip,zstd , deflate'];
    const answer = (reply: Reply): void => {
      reply.head({ status: 200, fields: ['content-type', 'application/grpc', 'grpc-encoding', 'zstd'] });
      reply.write(frame(zstdCompressSync(protoOf({ text })), 1));
      reply.write(frame(protoOf({ text })));
      reply.write(frame(new Uint8Array(0), 1));
      reply.end(['grpc-status', '0']);
    };
    const call = rig().call(callee(seen, answer), headOf('Chat', fields));
    call.body.write(frame(gzipSync(JSON.stringify({ text })), 1));
    call.body.write(frame(gzipSync('{"text":"short"}'), 1));
    call.body.write(frame('{"text":"plain"}'));
    call.body.end();
    await call.done;
    expect(getField(seen.head?.fields ?? [], 'grpc-accept-encoding')).toBe('gzip, zstd, deflate');
    const [long, short, plain] = framesOf(seen.bytes);
    expect([long?.flags, short?.flags, plain?.flags]).toEqual([1, 0, 0]);
    expect(gunzipSync(long?.message ?? '')).toEqual(Buffer.from(protoOf({ text })));
    expect(getField(call.heads[0]?.fields ?? [], 'grpc-encoding')).toBe('zstd');
    expect(framesOf(call.bytes()).map(({ flags }) => flags)).toEqual([1, 0, 0]);
  });

  it.each([
    ['request', Code.unimplemented, /"snappy".*send gzip, br, zstd, deflate or identity/],
    ['response', Code.internal, /"snappy".*the service must answer in gzip/],
  ])('names the encoding of a %s that it cannot read', async (side, code, message) => {
    const isRequest = side === 'request';
    const answer = (reply: Reply): void => {
      reply.head({ status: 200, fields: ['content-type', 'application/grpc', 'grpc-encoding', 'snappy'] });
      reply.write(frame('xyz', 1));
    };
    const call = rig().call(callee(nothing(), answer), headOf('Plain', isRequest ? ['grpc-encoding', 'snappy'] : []));
    call.body.write(isRequest ? frame('xyz', 1) : frame('{}'));
    call.body.end();
    await call.done;
    expect(call.error).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('without descriptors', () => {
  it.each([
    ['none are known', [], /its descriptors are not known here.*schema, or codecs: \[json\]/],
    ['they are broken', [{ digest: 'rich', bytes: Uint8Array.of(1, 2, 3) }], /its descriptors cannot be read/],
    ['they lack the method', RICH, /its descriptors have no method .*\/Missing/],
  ])('says what is missing when %s', async (_name, schemas, message) => {
    const seen = nothing();
    const call = rig({ schemas }).call(callee(seen), headOf('Missing'));
    call.body.write(frame('{}'));
    await call.done;
    expect(call.error).toMatchObject({
      code: Code.unimplemented,
      message: expect.stringMatching(message),
      processed: 'never-sent',
    });
    expect(seen.head).toBeUndefined();
  });

  it('asks no more endpoints once all have been tried', async () => {
    const { transcoding } = rig({ schemas: [] });
    const head = headOf('Plain');
    const key = 'places-1#1';
    for (const [tried, final] of [
      [[key], undefined],
      [['other#1', key, key], true],
    ] as const) {
      head.call.tried.splice(0, Infinity, ...tried);
      const call = startCall(transcoding.adapt(leaseOf(callee(nothing())).lease, head).service, head);
      await call.done;
      expect(call.error?.final).toBe(final);
    }
  });

  it('takes a schema that comes later, keeps one that is still named, and forgets the others', async () => {
    const { transcoding, call } = rig({ schemas: [] });
    const works = async (): Promise<boolean> => {
      const one = call(callee(nothing()), headOf('Plain'));
      one.body.write(frame('{}'));
      one.body.end();
      await one.done;
      return one.error === undefined;
    };
    expect(await works()).toBe(false);
    transcoding.apply(RICH, MIB);
    expect(await works()).toBe(true);
    transcoding.apply([{ digest: 'rich', bytes: undefined }], MIB);
    expect(await works()).toBe(true);
    transcoding.apply([], MIB);
    expect(await works()).toBe(false);
    transcoding.apply([{ digest: 'rich', bytes: undefined }], MIB);
    expect(await works()).toBe(false);
  });
});

describe('backpressure', () => {
  it('takes no more than it can pass on', () => {
    const seen = nothing();
    const slow: Service = (head) => {
      seen.head = head;
      return {
        write: (bytes) => void (seen.bytes = Buffer.concat([seen.bytes, bytes])),
        end() {},
        cancel() {},
        grant() {},
      };
    };
    const call = rig().call(slow, headOf('Chat'));
    const message = frame(JSON.stringify({ text: 'x'.repeat(10_000) }));
    let credit = 65_535;
    let written = 0;
    for (let i = 0; i < 100 && credit >= message.length; i++) {
      call.body.write(message);
      written += message.length;
      credit = 65_535 + call.granted - written;
    }
    // The callee's window and the caller's own, and no more.
    expect(seen.bytes.length).toBeLessThanOrEqual(65_535);
    expect(written).toBeLessThanOrEqual(2 * 65_535);
    call.body.cancel('caller-gone');
  });

  it('gives others their turn while it converts a flood of messages', async () => {
    const seen = nothing();
    const call = rig().call(callee(seen), headOf('Chat'));
    let turns = 0;
    const count = (): void => {
      turns++;
      if (call.trailers === undefined) setImmediate(count);
    };
    setImmediate(count);
    const empty = frame('{}');
    const flood = Buffer.concat(Array(9_000).fill(empty));
    call.body.write(flood);
    call.body.end();
    await call.done;
    expect(framesOf(call.bytes())).toHaveLength(9_000);
    // Two directions, 64 messages at a time.
    expect(turns).toBeGreaterThan(100);
  });

  it('gives others their turn while it unpacks what is small on the wire alone', async () => {
    const seen = nothing();
    const call = rig().call(callee(seen), headOf('Chat', ['grpc-encoding', 'gzip']));
    let turns = 0;
    const count = (): void => {
      turns++;
      if (call.trailers === undefined) setImmediate(count);
    };
    setImmediate(count);
    const message = frame(gzipSync(`{"unknown":["${' '.repeat(200_000)}"${',{}'.repeat(1_000)}]}`), 1);
    call.body.write(Buffer.concat(Array(64).fill(message)));
    call.body.end();
    await call.done;
    expect(framesOf(call.bytes())).toHaveLength(64);
    expect(turns).toBeGreaterThan(30);
  });
});
