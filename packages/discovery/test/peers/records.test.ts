import { gzipSync } from 'node:zlib';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNamingRecord, toInstanceId } from '../../src/peers/etcd/naming-record.ts';
import { formatRecord, parseRecord } from '../../src/peers/json-record.ts';
import { packSchema, unpackSchema } from '../../src/peers/packed-schema.ts';
import { parseCuratorRecord } from '../../src/peers/zookeeper/curator-record.ts';
import { createEndpoint, createFullEndpoint, SCHEMA } from '../contract/endpoints.ts';

const DEFAULTS = { services: ['a.B'], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' } as const;
const bytesOf = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

describe('a record', () => {
  it.each([createEndpoint(1), createFullEndpoint(2), createEndpoint(3, { health: 'draining', weight: 0 })])(
    'is read as it was written ($instanceId)',
    (endpoint) => {
      expect(parseRecord(bytesOf(formatRecord(endpoint)), endpoint.instanceId)).toEqual(endpoint);
    },
  );

  it('may say what only later versions understand', () => {
    const record = { ...(JSON.parse(formatRecord(createEndpoint(1))) as object), somethingNew: { a: 1 } };
    expect(parseRecord(bytesOf(record), 'places-1')).toEqual(createEndpoint(1));
  });

  it.each([
    ['', 'JSON'],
    ['{', 'JSON'],
    ['{}', 'endpoint.instance_id'],
    [formatRecord(createEndpoint(2)), 'it is of another instance, places-2'],
    [formatRecord(createEndpoint(1)).replace('127.0.0.1', 'a\\u0000b'), 'endpoint.host'],
    [formatRecord(createEndpoint(1, { labels: { a: 'b' } })).replace('"a":"b"', '"__proto__":"b"'), 'endpoint.labels'],
    ['x'.repeat(65_537), '65537 bytes'],
  ])('that is unsound is refused with words: %#', (text, words) => {
    expect(() => parseRecord(bytesOf(text), 'places-1')).toThrow(words);
  });

  it('that is unsound is not written', () => {
    expect(() => formatRecord(createEndpoint(1, { port: 0 }))).toThrow('endpoint.port must be 1 to 65535');
  });

  it('of others keeps its address when it has labels that are none', () => {
    const value = bytesOf({ Addr: 'h:1', Metadata: { 'a b': 'c', tier: 'gold', n: 1 } });
    const { host, labels } = parseNamingRecord({ name: 'a', value, createRevision: 1n }, DEFAULTS);
    expect([host, labels]).toEqual(['h', { tier: 'gold' }]);
  });

  it('of chance is refused in one plain line', () => {
    const values = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map(bytesOf),
      fc
        .record({
          Addr: fc.anything(),
          Metadata: fc.anything(),
          address: fc.anything(),
          port: fc.anything(),
          payload: fc.anything(),
        })
        .map((value) => {
          return bytesOf(
            JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? '',
          );
        }),
    );
    fc.assert(
      fc.property(values, (bytes) => {
        for (const parse of [
          () => parseRecord(bytes, 'a'),
          () => parseNamingRecord({ name: 'a', value: bytes, createRevision: 1n }, DEFAULTS),
          () => parseCuratorRecord({ name: 'a', data: bytes, ctimeMs: 1n }, DEFAULTS),
        ]) {
          try {
            const { host, port } = parse();
            expect([/^[A-Za-z0-9:]/.test(host), port >= 1 && port <= 65_535]).toEqual([true, true]);
          } catch (error) {
            expect((error as Error).message).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,400}$/u);
          }
        }
      }),
      fuzzing(1_000),
    );
  });
});

describe('names of others', () => {
  it.each([
    ['10.0.0.1:80', '10.0.0.1:80'],
    ['node/1', 'node.1'],
    ['[::1]:80', '1.:80'],
    ['../x', 'x'],
  ])('%s become %s', (name, id) => expect(toInstanceId(name)).toBe(id));
});

describe('packed descriptors', () => {
  it('are the same when they are unpacked', async () => {
    const packed = await packSchema(SCHEMA);
    expect(packed.length).toBeLessThan(SCHEMA.length / 2);
    expect(new Uint8Array(await unpackSchema(packed))).toEqual(SCHEMA);
  });

  it('do not blow up', async () => {
    await expect(unpackSchema(gzipSync(new Uint8Array(2 * 1024 * 1024 + 1)))).rejects.toThrow();
    await expect(unpackSchema(Buffer.from('no gzip'))).rejects.toThrow();
  });
});
