import { expect, test } from 'vitest';
import { frame } from '../frame.ts';
import { block, connectFrames, createHolding, decodeBlock, END_HEADERS, END_STREAM, Kind, startRig } from './rig.ts';

const HEAD = [':method', 'GET', ':scheme', 'http', ':path', '/x', ':authority', 'a'];

function withHead(overrides: Record<string, string | undefined>, ...extra: string[]): string[] {
  const head = HEAD.flatMap((name, i) => {
    if (i % 2 === 1) return [];
    const value = name in overrides ? overrides[name] : HEAD[i + 1];
    return value === undefined ? [] : [name, value];
  });
  return [...head, ...extra];
}

const MALFORMED: readonly (readonly [string, string[]])[] = [
  ['no :method', withHead({ ':method': undefined })],
  ['an empty :method', withHead({ ':method': '' })],
  ['a :method with a space', withHead({ ':method': 'GE T' })],
  ['no :scheme', withHead({ ':scheme': undefined })],
  ['no :path', withHead({ ':path': undefined })],
  ['an empty :path', withHead({ ':path': '' })],
  ['two :path', withHead({}, ':path', '/y')],
  ['an unknown pseudo-field', withHead({}, ':x', 'y')],
  ['a pseudo-field of responses', withHead({}, ':status', '200')],
  ['a pseudo-field that is a property of objects', withHead({}, ':constructor', 'y')],
  ['a pseudo-field behind a field', [...withHead({ ':authority': undefined }), 'x', 'y', ':authority', 'a']],
  ['no pseudo-field at all', ['x', 'y']],
  ['an upper-case name', withHead({}, 'X-A', 'b')],
  ['an empty name', withHead({}, '', 'b')],
  ['a name with a colon', withHead({}, 'a:b', 'c')],
  ['a value with a line end', withHead({}, 'a', 'b\r\nc: d')],
  ['a value with a NUL', withHead({}, 'a', 'b\0')],
  ['a value with a space before it', withHead({}, 'a', ' b')],
  ['a value with a tab behind it', withHead({}, 'a', 'b\t')],
  ['connection', withHead({}, 'connection', 'close')],
  ['transfer-encoding', withHead({}, 'transfer-encoding', 'chunked')],
  ['te that wants gzip', withHead({}, 'te', 'gzip')],
  ['a content-length of words', withHead({}, 'content-length', '1x')],
  ['two content-lengths', withHead({}, 'content-length', '0', 'content-length', '1')],
  ['a content-length and no content', withHead({}, 'content-length', '1')],
  ['two hosts', withHead({}, 'host', 'a', 'host', 'b')],
  ['CONNECT with a :path', withHead({ ':method': 'CONNECT', ':scheme': undefined })],
  ['CONNECT to nowhere', [':method', 'CONNECT']],
  [':protocol that was not announced', withHead({ ':method': 'CONNECT' }, ':protocol', 'websocket')],
];

test.each(MALFORMED)('%s is malformed', async (_what, fields) => {
  const { service, calls } = createHolding();
  const { port, abuses } = await startRig(service);
  const client = await connectFrames(port);
  client.send(frame(Kind.headers, END_HEADERS | END_STREAM, 1, block(...fields)));
  await client.settled();
  const [reset] = client.frames.filter((seen) => seen.type === Kind.reset);
  expect(reset?.payload.readUInt32BE(0)).toBe(1);
  expect(calls).toEqual([]);
  expect(abuses).toEqual(['protocol-error']);
});

test.each([
  ['a path without a slash', withHead({ ':path': 'x' }), '400'],
  ['a path with a space', withHead({ ':path': '/a b' }), '400'],
  ['an absolute path', withHead({ ':path': 'http://a/' }), '400'],
  ['OPTIONS of everything', withHead({ ':method': 'OPTIONS', ':path': '*' }), '400'],
  ['userinfo', withHead({ ':authority': 'u@a' }), '400'],
  ['a host that differs', withHead({}, 'host', 'b'), '400'],
  ['CONNECT', [':method', 'CONNECT', ':authority', 'a:1'], '405'],
])('%s is refused with an answer', async (_what, fields, status) => {
  const { service, calls } = createHolding();
  const { port } = await startRig(service);
  const client = await connectFrames(port);
  client.send(frame(Kind.headers, END_HEADERS, 1, block(...fields)), frame(Kind.data, END_STREAM, 1, Buffer.from('x')));
  await client.settled();
  const [answer] = client.frames.filter((seen) => seen.type === Kind.headers);
  expect(decodeBlock(answer)).toEqual([':status', status]);
  expect(answer?.flags).toBe(END_HEADERS | END_STREAM);
  expect(calls).toEqual([]);
});

test('a service gets what was said, and nothing that is of the connection', async () => {
  const { service, calls } = createHolding();
  const { port } = await startRig(service);
  const client = await connectFrames(port);
  const crumbs = ['cookie', 'a=1', 'x-dup', '1', 'cookie', 'b=2', 'x-dup', '2', 'te', 'Trailers', 'x-empty', ''];
  const fields = withHead({ ':path': '/p?q=\xe9' }, 'host', 'a', ...crumbs, 'expect', '100-continue');
  // Three times: once read, once remembered, once recognised.
  for (const id of [1, 3, 5]) client.send(frame(Kind.headers, END_HEADERS | END_STREAM, id, block(...fields)));
  await client.settled();
  expect(calls.length).toBe(3);
  for (const [head] of calls) {
    expect(head).toMatchObject({ method: 'GET', path: '/p?q=\xe9', authority: 'a', scheme: 'http' });
    expect(head.fields).toEqual(['cookie', 'a=1; b=2', 'x-dup', '1', 'x-dup', '2', 'te', 'trailers', 'x-empty', '']);
    expect(head.call).toMatchObject({ peer: '127.0.0.1', httpVersion: '2' });
  }
  expect(new Set(calls.map(([head]) => head.call.id)).size).toBe(3);
});

test.each([
  ['less', 3, [2]],
  ['more', 3, [2, 2]],
])('content that is %s than content-length says is malformed', async (_what, length, sizes) => {
  const { service, words } = createHolding();
  const { port } = await startRig(service);
  const client = await connectFrames(port);
  client.send(frame(Kind.headers, END_HEADERS, 1, block(...withHead({}, 'content-length', String(length)))));
  sizes.forEach((size, i) => {
    client.send(frame(Kind.data, i === sizes.length - 1 ? END_STREAM : 0, 1, Buffer.alloc(size)));
  });
  await client.settled();
  expect(client.frames.filter((seen) => seen.type === Kind.reset).length).toBe(1);
  expect(words.at(-1)).toBe('/x cancel protocol-error');
});

test('a remembered head is not taken for another connection whose table differs', async () => {
  const { service, calls } = createHolding();
  const { port } = await startRig(service);
  const entered = (value: string) => Buffer.concat([Buffer.of(0x40), block('x-who', value).subarray(1)]);
  const indexed = Buffer.concat([block(...HEAD), Buffer.of(0xbe)]);
  for (const who of ['one', 'two']) {
    const client = await connectFrames(port);
    client.send(frame(Kind.headers, END_HEADERS | END_STREAM, 1, Buffer.concat([block(...HEAD), entered(who)])));
    for (const id of [3, 5, 7]) client.send(frame(Kind.headers, END_HEADERS | END_STREAM, id, indexed));
    // The same bytes mean another field from here on.
    client.send(frame(Kind.headers, END_HEADERS | END_STREAM, 9, Buffer.concat([block(...HEAD), entered(`${who}!`)])));
    for (const id of [11, 13, 15]) client.send(frame(Kind.headers, END_HEADERS | END_STREAM, id, indexed));
    await client.settled();
  }
  const values = calls.map(([head]) => head.fields[1]);
  const expected = (who: string) => [who, who, who, who, `${who}!`, `${who}!`, `${who}!`, `${who}!`];
  expect(values).toEqual([...expected('one'), ...expected('two')]);
});
