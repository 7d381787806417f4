import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { startRelay } from '@bascule/testing/servers';
import { afterEach, beforeEach, expect, it } from 'vitest';

let echo: Server;
let target: number;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => undefined));
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  target = (echo.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  echo.close();
  await once(echo, 'close');
});

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** Reads until so many bytes have come. */
async function read(socket: Socket, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let got = 0;
  while (got < length) {
    const [part] = (await once(socket, 'data')) as [Buffer];
    parts.push(part);
    got += part.length;
  }
  return Buffer.concat(parts);
}

it('hands on bytes and ends, both ways', async () => {
  await using relay = await startRelay(target);
  const client = await open(relay.port);
  const sent = Buffer.alloc(3_000_000, 'bascule');
  client.end(sent);
  expect((await read(client, sent.length)).equals(sent)).toBe(true);
  await once(client, 'close');
  await expect.poll(() => relay.connections).toBe(0);
});

it('resets what there is when it is cut, refuses what comes, and comes back on its port', async () => {
  await using relay = await startRelay(target);
  const client = await open(relay.port);
  client.write('a');
  await read(client, 1);
  const reset = once(client, 'close').catch((error: NodeJS.ErrnoException) => error.code);
  await relay.cut();
  expect(await reset).toBe('ECONNRESET');
  await expect(open(relay.port)).rejects.toThrow('ECONNREFUSED');
  await relay.restore();
  const again = await open(relay.port);
  again.write('b');
  expect((await read(again, 1)).toString()).toBe('b');
  again.destroy();
});

it('holds all bytes while it is stalled, and hands them on in order', async () => {
  await using relay = await startRelay(target);
  const client = await open(relay.port);
  relay.stall();
  let got = '';
  client.on('data', (bytes: Buffer) => (got += bytes.toString()));
  client.write('one ');
  const late = await open(relay.port);
  late.write('two');
  const direct = await open(target);
  direct.write('x');
  await read(direct, 1);
  expect(got).toBe('');
  const latest = once(late, 'data');
  relay.unstall();
  client.write('more');
  expect(((await latest)[0] as Buffer).toString()).toBe('two');
  await expect.poll(() => got).toBe('one more');
  for (const socket of [client, late, direct]) socket.destroy();
});

it('keeps the order of what it delays with what it no longer delays', async () => {
  await using relay = await startRelay(target);
  const client = await open(relay.port);
  relay.delay(50);
  const started = performance.now();
  client.write('a');
  await expect.poll(() => sockets.length).toBe(1);
  relay.delay(0);
  client.write('b');
  expect((await read(client, 2)).toString()).toBe('ab');
  expect(performance.now() - started).toBeGreaterThan(45);
  client.destroy();
});

it('resets a client whose server is not there', async () => {
  echo.close();
  await using relay = await startRelay(1);
  const client = connect(relay.port, '127.0.0.1');
  await expect(once(client, 'close')).rejects.toThrow('ECONNRESET');
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
});
