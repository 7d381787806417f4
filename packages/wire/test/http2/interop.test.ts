import { once } from 'node:events';
import { constants } from 'node:http2';
import { Code, getField, type Link } from '@bascule/core';
import { afterEach, describe, expect, test } from 'vitest';
import {
  echo,
  openLink,
  readiness,
  requestHead,
  startCall,
  startNodeServer,
  startRawPeer,
  unary,
  upload,
  type NodeServer,
} from './support.ts';

let server: NodeServer | undefined;
let link: Link | undefined;

afterEach(async () => {
  link?.destroy();
  await server?.close();
  link = undefined;
  server = undefined;
});

describe('frames of one turn', () => {
  test('END_STREAM rides on the last frame of the same turn, and two writes share a frame', async () => {
    const peer = await startRawPeer();
    link = openLink(peer.port);
    await readiness(link, true);
    const both = startCall(link);
    both.body.write(Buffer.from('pre'));
    both.body.write(Buffer.from('fix'));
    both.body.end();
    startCall(link).body.end();
    const later = startCall(link);
    later.body.write(Buffer.from('x'));
    await new Promise((resolve) => setImmediate(resolve));
    later.body.end();
    await peer.seen((seen) => seen.streamId === 5 && seen.type === 0 && seen.flags === 1);
    const shape = (id: number) =>
      peer.frames
        .filter((seen) => seen.streamId === id)
        .map((seen) => [seen.type, seen.flags, seen.type === 0 ? String(seen.payload) : '']);
    expect(shape(1)).toEqual([
      [1, 4, ''],
      [0, 1, 'prefix'],
    ]);
    expect(shape(3)).toEqual([[1, 5, '']]);
    expect(shape(5)).toEqual([
      [1, 4, ''],
      [0, 0, 'x'],
      [0, 1, ''],
    ]);
    // The first block says that our encoder keeps no table; the settings say the same of the peer's.
    expect(peer.frames.find((seen) => seen.streamId === 1)?.payload[0]).toBe(0x20);
    link.destroy();
    await peer.close();
  });

  test('a call lost before its turn ended was never sent', async () => {
    const peer = await startRawPeer();
    link = openLink(peer.port);
    await readiness(link, true);
    const call = startCall(link);
    call.body.write(Buffer.from('x'));
    link.destroy();
    expect((await call.done).error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    await peer.close();
  });
});

describe('calls against node:http2', () => {
  test('a unary call with trailers', async () => {
    server = await startNodeServer(echo);
    link = openLink(server.port);
    const record = await unary(link, Buffer.from('hello'));
    expect(record).toMatchObject({ bytes: 5, trailers: ['grpc-status', '0'], error: undefined, ends: 1 });
    expect(record.head?.status).toBe(200);
    expect(getField(record.head?.fields ?? [], 'content-type')).toBe('application/grpc');
  });

  test('request fields arrive; connection-specific ones do not', async () => {
    const headers = Promise.withResolvers<Record<string, unknown>>();
    server = await startNodeServer((stream, seen) => {
      headers.resolve(seen);
      echo(stream);
    });
    link = openLink(server.port);
    const fields = [
      'x-long',
      'v'.repeat(300),
      'connection',
      'close',
      'host',
      'evil',
      'x-bin',
      'AAH\xff',
      'x-bin',
      'two',
    ];
    const head = requestHead('/a.B/C?q=%20', fields);
    await unary(link, Buffer.from('x'), { ...head, fields: [...head.fields, 'authorization', 'Bearer t'] });
    expect(await headers.promise).toMatchObject({
      ':method': 'POST',
      ':path': '/a.B/C?q=%20',
      ':authority': 'test.example',
      ':scheme': 'http',
      te: 'trailers',
      'x-long': 'v'.repeat(300),
      'x-bin': 'AAH\xff, two',
      authorization: 'Bearer t',
    });
    expect(await headers.promise).not.toHaveProperty('connection');
    expect(await headers.promise).not.toHaveProperty('host');
  });

  test('a head too large for one frame goes out with CONTINUATION', async () => {
    const size = Promise.withResolvers<number>();
    server = await startNodeServer((stream, headers) => {
      size.resolve(String(headers['x-huge']).length);
      echo(stream);
    });
    link = openLink(server.port);
    // Node takes 64 KiB of fields by default.
    const record = await unary(link, Buffer.from('x'), requestHead('/a/b', ['x-huge', 'h'.repeat(40_000)]));
    expect(record.trailers).toEqual(['grpc-status', '0']);
    expect(await size.promise).toBe(40_000);
  });

  test('a field that HTTP/2 forbids fails the call alone, never sent, on a later turn', async () => {
    server = await startNodeServer(echo);
    link = openLink(server.port);
    await readiness(link, true);
    const bad = await unary(link, Buffer.from('x'), requestHead('/a/b', ['x-y', 'a\r\nb: c']));
    expect(bad.error).toMatchObject({ code: Code.internal, processed: 'never-sent' });
    expect((await unary(link)).trailers).toEqual(['grpc-status', '0']);
  });

  test('many calls at once over one connection', async () => {
    server = await startNodeServer(echo);
    link = openLink(server.port);
    const messages = Array.from({ length: 300 }, (_, i) => Buffer.from(`message ${i} `.repeat((i % 20) + 1)));
    const records = await Promise.all(messages.map((message) => unary(link as Link, message)));
    records.forEach((record, i) => expect(Buffer.concat(record.chunks)).toEqual(messages[i]));
    expect(server.sessions.size).toBe(1);
  });

  test('a large message both ways under flow control', async () => {
    server = await startNodeServer(echo);
    link = openLink(server.port);
    const message = Buffer.alloc(3_000_000, Buffer.from('abcdefghijk'));
    const [one, two] = await Promise.all([unary(link, message), unary(link, message)]);
    expect(Buffer.concat(one.chunks).equals(message)).toBe(true);
    expect(Buffer.concat(two.chunks).equals(message)).toBe(true);
  });

  test('a reader that gives nothing back stops the sender at 65,535 bytes and stalls nobody else', async () => {
    server = await startNodeServer((stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(200_000));
    });
    link = openLink(server.port);
    const slow = startCall(link, requestHead(), { grant: false });
    slow.body.end();
    await slow.received(65_535);
    const quick = await unary(link);
    expect(quick.bytes).toBe(200_000);
    expect(slow.record.bytes).toBe(65_535);
    // Less than half a window: must still get the sender going, or both wait for ever.
    slow.body.grant(100);
    await slow.received(65_635);
    expect(slow.record.bytes).toBe(65_635);
    slow.body.grant(200_000);
    expect((await slow.done).bytes).toBe(200_000);
  });

  test('trailers only', async () => {
    server = await startNodeServer((stream) => {
      const head = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'nope' };
      stream.respond(head, { endStream: true });
    });
    link = openLink(server.port);
    const record = await unary(link);
    expect(record.head).toBeUndefined();
    expect(getField(record.trailers ?? [], 'grpc-status')).toBe('5');
    // About a body that is not there: must not become a trailer.
    expect(getField(record.trailers ?? [], 'content-type')).toBeUndefined();
  });

  test('an answer without a body that is not gRPC keeps its HTTP status', async () => {
    server = await startNodeServer((stream) => stream.respond({ ':status': 503 }, { endStream: true }));
    link = openLink(server.port);
    const record = await unary(link);
    expect(record.head?.status).toBe(503);
    expect(record.trailers).toEqual([]);
  });

  test('non-final heads are skipped', async () => {
    server = await startNodeServer((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</x>' });
      echo(stream);
    });
    link = openLink(server.port);
    const record = await unary(link);
    expect(record.head?.status).toBe(200);
    expect(record.trailers).toEqual(['grpc-status', '0']);
  });

  test('an early answer stops the upload and frees the stream', async () => {
    const closed = Promise.withResolvers<number>();
    server = await startNodeServer((stream) => {
      stream.respond({ ':status': 200, 'grpc-status': '8' }, { endStream: true });
      stream.on('close', () => closed.resolve(stream.rstCode));
    });
    link = openLink(server.port);
    const call = startCall(link);
    call.body.write(Buffer.from('some'));
    expect(getField((await call.done).trailers ?? [], 'grpc-status')).toBe('8');
    call.body.write(Buffer.alloc(1000));
    call.body.end();
    expect(await closed.promise).toBe(constants.NGHTTP2_NO_ERROR);
    expect(call.record.ends).toBe(1);
  });

  test('cancel reaches the server as RST_STREAM(CANCEL), and no reply follows', async () => {
    const reset = Promise.withResolvers<number>();
    server = await startNodeServer((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('x');
      stream.on('close', () => reset.resolve(stream.rstCode));
    });
    link = openLink(server.port);
    const call = startCall(link);
    await call.received(1);
    call.body.cancel('caller-gone');
    expect(await reset.promise).toBe(constants.NGHTTP2_CANCEL);
    expect(call.record.ends).toBe(0);
    await link.close();
  });

  test.each([
    [constants.NGHTTP2_REFUSED_STREAM, Code.unavailable, 'refused'],
    [constants.NGHTTP2_CANCEL, Code.canceled, 'maybe'],
    [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.resourceExhausted, 'maybe'],
    [constants.NGHTTP2_INADEQUATE_SECURITY, Code.permissionDenied, 'maybe'],
    [constants.NGHTTP2_INTERNAL_ERROR, Code.internal, 'maybe'],
  ])('a reset with %i is code %i, %s', async (reset, code, processed) => {
    server = await startNodeServer((stream) => stream.close(reset));
    link = openLink(server.port);
    const call = startCall(link);
    call.body.write(Buffer.from('x'));
    expect((await call.done).error).toMatchObject({ code, processed });
  });

  test('credit comes back as bytes leave, and what is beyond credit fails the call', async () => {
    server = await startNodeServer((stream) => {
      stream.resume();
      stream.respond({ ':status': 200 });
    });
    link = openLink(server.port);
    const call = startCall(link);
    upload(call, Buffer.alloc(500_000));
    await call.answered;
    const greedy = startCall(link);
    greedy.body.write(Buffer.alloc(65_536));
    expect((await greedy.done).error?.code).toBe(Code.internal);
    call.body.cancel('caller-gone');
  });

  test('windows that shrink below zero and grow again while a body is under way', async () => {
    const total = Promise.withResolvers<number>();
    server = await startNodeServer((stream) => {
      let bytes = 0;
      stream.pause();
      const session = stream.session as NonNullable<typeof stream.session>;
      session.settings({ initialWindowSize: 10 }, () => {
        session.settings({ initialWindowSize: 200_000 }, () => stream.resume());
      });
      stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
      stream.on('end', () => {
        total.resolve(bytes);
        stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true });
      });
    });
    link = openLink(server.port);
    const record = await unary(link, Buffer.alloc(400_000));
    expect(await total.promise).toBe(400_000);
    expect(record.error).toBeUndefined();
  });

  test('close waits for open calls, takes no new ones, and closes the sockets', async () => {
    const finish = Promise.withResolvers<void>();
    server = await startNodeServer((stream) => {
      stream.respond({ ':status': 200 });
      void finish.promise.then(() => stream.end('late'));
    });
    link = openLink(server.port);
    const call = startCall(link);
    call.body.end();
    await call.answered;
    const [session] = server.sessions;
    const gone = once(session as NonNullable<typeof session>, 'close');
    const closed = link.close();
    expect(link.isReady()).toBe(false);
    expect((await unary(link)).error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    finish.resolve();
    expect((await call.done).bytes).toBe(4);
    await closed;
    await gone;
  });
});
