import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { canStart, startDns } from '@bascule/testing/servers';
import { expect, it } from 'vitest';

it.skipIf(!canStart('dns'))('answers whatever a test needs', async () => {
  await using server = await startDns({
    records: [
      { type: 'A', name: 'a', ttlSeconds: 7, address: '10.0.0.1' },
      { type: 'AAAA', name: 'a', ttlSeconds: 0, address: 'fd00::1' },
      { type: 'TXT', name: 'a', ttlSeconds: 1, text: 'say "so"' },
      { type: 'CNAME', name: 'alias', ttlSeconds: 1, target: 'a' },
      { type: 'SRV', name: '_grpc._tcp', ttlSeconds: 3, priority: 1, weight: 2, port: 3, target: 'a' },
    ],
  });
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([server.address]);
  const codeOf = (asked: Promise<unknown>): Promise<string> =>
    asked.then(
      () => 'answered',
      (error: NodeJS.ErrnoException) => error.code ?? 'no code',
    );
  const { zone } = server;

  expect(await resolver.resolve4(`a.${zone}`, { ttl: true })).toEqual([{ address: '10.0.0.1', ttl: 7 }]);
  expect(await resolver.resolve6(`a.${zone}`, { ttl: true })).toEqual([{ address: 'fd00::1', ttl: 0 }]);
  expect(await resolver.resolveTxt(`a.${zone}`)).toEqual([['say "so"']]);
  expect(await resolver.resolve4(`alias.${zone}`)).toEqual(['10.0.0.1']);
  expect(await resolver.resolveSrv(`_grpc._tcp.${zone}`)).toMatchObject([
    { priority: 1, weight: 2, port: 3, name: `a.${zone}` },
  ]);
  expect(await codeOf(resolver.resolve4(`_grpc._tcp.${zone}`))).toBe('ENODATA');
  expect(await codeOf(resolver.resolve4(`nobody.${zone}`))).toBe('ENOTFOUND');

  await server.fail();
  expect(await codeOf(resolver.resolve4(`a.${zone}`))).toBe('ESERVFAIL');

  await server.set(
    Array.from({ length: 1_000 }, (_, index) => {
      return { type: 'A', name: 'many', ttlSeconds: 1, address: `10.0.${index >> 8}.${index & 255}` } as const;
    }),
  );
  expect(await codeOf(resolver.resolve4(`a.${zone}`))).toBe('ENOTFOUND');
  expect(new Set(await resolver.resolve4(`many.${zone}`)).size).toBe(1_000);
  expect(await isTruncated(server.port, `many.${zone}`)).toBe(true);
});

/** Asks over UDP for A records, by hand: the resolver goes on to TCP by itself. */
async function isTruncated(port: number, name: string): Promise<boolean> {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const question = Buffer.concat([...labels, Buffer.from([0, 0, 1, 0, 1])]);
  const socket = createSocket('udp4');
  socket.send(Buffer.concat([Buffer.from([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), question]), port, '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return ((answer[2] ?? 0) & 2) !== 0;
}
