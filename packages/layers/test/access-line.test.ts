import { createRandom } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { MAX_LINE_BYTES } from '../src/access-line.ts';
import { formatAccessLine, type CallRecord } from '../src/index.ts';

const RECORD: CallRecord = {
  id: 'c1',
  wallMs: 1_700_000_000_005.7,
  durationMs: 1.23456,
  dialect: 'connect',
  method: 'POST',
  path: '/a.B/C',
  service: 'a.B',
  rpcMethod: 'C',
  code: 'ok',
  by: 'callee',
  message: '',
  httpStatus: 200,
  peer: '127.0.0.1',
  userAgent: 'test/1',
  endpointKey: 'x#1',
  instanceId: 'x',
  endpointAddress: '127.0.0.1:9000',
  moduleVersion: '1.0.0',
  cluster: 'a.B',
  attempts: 1,
  requestBytes: 10,
  responseBytes: 20,
  timeoutMs: 15_000,
};

describe('formatAccessLine', () => {
  it('is one JSON object', () => {
    expect(JSON.parse(formatAccessLine(RECORD))).toEqual({
      time: '2023-11-14T22:13:20.005Z',
      id: 'c1',
      dialect: 'connect',
      method: 'POST',
      path: '/a.B/C',
      service: 'a.B',
      rpc: 'C',
      code: 'ok',
      by: 'callee',
      http_status: 200,
      duration_ms: 1.235,
      timeout_ms: 15_000,
      request_bytes: 10,
      response_bytes: 20,
      peer: '127.0.0.1',
      user_agent: 'test/1',
      cluster: 'a.B',
      endpoint: 'x',
      address: '127.0.0.1:9000',
      module_version: '1.0.0',
      attempts: 1,
    });
  });

  it.each([
    [1_700_000_000_999.9, '2023-11-14T22:13:20.999Z'],
    [1_700_000_001_000, '2023-11-14T22:13:21.000Z'],
    [1_700_000_000_040, '2023-11-14T22:13:20.040Z'],
    [0, '1970-01-01T00:00:00.000Z'],
    [-1, '1969-12-31T23:59:59.999Z'],
  ])('writes the time %d', (wallMs, time) => {
    expect(JSON.parse(formatAccessLine({ ...RECORD, wallMs }))).toMatchObject({ time });
  });

  it.each([
    ['a quote', '/"},{"code":"ok'],
    ['a backslash', '/\\'],
    ['a new line', '/\r\n{"forged":1}'],
    ['an ANSI escape', '/\u001b[2J\u001b]0;title\u0007'],
    ['a C1 escape', '/\u009b2J\u0085'],
    ['line separators', '/\u2028\u2029'],
    ['text that turns round', '/\u202eexe.gpj\u2066\u200f'],
    ['half a pair', '/\ud83d'],
    ['DEL and NUL', '/\u007f\u0000'],
  ])('keeps %s harmless and readable', (_, text) => {
    const line = formatAccessLine({ ...RECORD, path: text, userAgent: text, message: text, method: text });
    // eslint-disable-next-line no-control-regex
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff]/);
    expect(JSON.parse(line)).toMatchObject({ path: text, user_agent: text, message: text, method: text });
  });

  it('forgets nothing of what is different between calls', () => {
    const fields = ['dialect', 'method', 'path', 'service', 'rpcMethod', 'code', 'by', 'httpStatus', 'peer'] as const;
    const others = ['userAgent', 'instanceId', 'endpointAddress', 'moduleVersion', 'cluster'] as const;
    const before = formatAccessLine(RECORD);
    for (const name of [...fields, ...others]) {
      const value = name === 'httpStatus' ? 418 : 'unlike';
      const line = formatAccessLine({ ...RECORD, [name]: value });
      expect(line, name).toContain(String(value));
      expect(formatAccessLine(RECORD), name).toBe(before);
    }
  });

  it('leaves letters of other scripts readable', () => {
    expect(formatAccessLine({ ...RECORD, path: '/東京-Öl' })).toContain('/東京-Öl');
  });

  it('stays within its bound whatever strangers send', () => {
    const seed = Number(process.env['SEED'] ?? 11);
    const random = createRandom(seed);
    const samples = ['x', '\u0000', '"', '\u2028', '東', '\ud83d', '😀'];
    for (let i = 0; i < 300; i++) {
      const text = (samples[i % samples.length] as string).repeat(Math.floor(random() * 12_000));
      const line = formatAccessLine({
        ...RECORD,
        id: text,
        path: text,
        method: text,
        message: text,
        userAgent: text,
        peer: text,
        service: text,
        rpcMethod: text,
        cluster: text,
        instanceId: text,
        endpointAddress: text,
        moduleVersion: text,
      });
      expect(Buffer.byteLength(line), `SEED=${seed}`).toBeLessThanOrEqual(MAX_LINE_BYTES);
      expect(() => JSON.parse(line)).not.toThrow();
    }
  });

  it('keeps a long path as far as there is room', () => {
    const { path } = JSON.parse(formatAccessLine({ ...RECORD, path: `/${'p'.repeat(5000)}` })) as { path: string };
    expect(path).toBe(`/${'p'.repeat(2047)}...`);
  });

  it('writes no NaN', () => {
    expect(JSON.parse(formatAccessLine({ ...RECORD, durationMs: Number.NaN }))).toMatchObject({ duration_ms: 0 });
  });
});
