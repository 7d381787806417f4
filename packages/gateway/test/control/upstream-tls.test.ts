import { fromJsonString } from '@bufbuild/protobuf';
import { ConfigSchema } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../src/config/settings.ts';
import type { Settings } from '../../src/config/settings-types.ts';
import { tlsOfMember, upstreamTlsOf } from '../../src/control/upstream-tls.ts';
import { createUpstreamTlsTable } from '../../src/data/upstream-tls.ts';
import { endpointOf } from '../support.ts';

/** Settings of these services, with what the files hold that they name. */
function settingsOf(services: object, files: Readonly<Record<string, string>> = {}): Settings {
  const settings = resolveSettings(fromJsonString(ConfigSchema, JSON.stringify({ services })), '/tmp');
  const contents = Object.entries(files).map(
    ([name, text]) => [`/tmp/${name}`, new TextEncoder().encode(text)] as const,
  );
  return { ...settings, discovery: { ...settings.discovery, files: new Map(contents) } };
}

const FULL = { caFile: 'ca', certFile: 'cert', keyFile: 'key', serverName: 'places.internal', required: false };
const FILES = { ca: 'CA', cert: 'CERT', key: 'KEY' };

describe('how a service is called over TLS', () => {
  it('is what the files hold', () => {
    expect(upstreamTlsOf('a.B', settingsOf({ 'a.B': { tls: FULL } }, FILES))).toMatchObject({
      required: false,
      link: { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'places.internal', rejectUnauthorized: true },
    });
  });

  it('is required and verified where nothing else is said', () => {
    expect(upstreamTlsOf('a.B', settingsOf({ 'a.B': { tls: {} } }))).toMatchObject({
      required: true,
      link: { rejectUnauthorized: true },
    });
  });

  it('is its own word over that of all, and else the same object for all', () => {
    const settings = settingsOf({ '*': { tls: {} }, 'a.B': { tls: FULL }, 'a.C': {} }, FILES);
    expect(upstreamTlsOf('a.B', settings)?.link.servername).toBe('places.internal');
    expect(upstreamTlsOf('a.C', settings)).toBe(upstreamTlsOf('constructor', settings));
    expect(upstreamTlsOf('a.B', settings)).toBe(upstreamTlsOf('a.B', settings));
    expect(upstreamTlsOf('a.B', settingsOf({}))).toBeUndefined();
  });

  it('has another name with other settings, and another digest with other files', () => {
    const before = upstreamTlsOf('a.B', settingsOf({ 'a.B': { tls: FULL } }, FILES));
    const renewed = upstreamTlsOf('a.B', settingsOf({ 'a.B': { tls: FULL } }, { ...FILES, cert: 'NEW' }));
    const other = upstreamTlsOf('a.B', settingsOf({ 'a.B': { tls: { ...FULL, required: true } } }, FILES));
    expect([renewed?.name === before?.name, renewed?.digest === before?.digest]).toEqual([true, false]);
    expect([other?.name === before?.name, other?.digest === before?.digest]).toEqual([false, true]);
  });

  it('is how endpoints are checked, by the first of their services that says something', () => {
    const settings = settingsOf({ 'a.B': { tls: FULL }, 'a.C': { tls: { insecureSkipVerify: true } } }, FILES);
    const check = (services: string[], tls?: boolean) =>
      tlsOfMember(endpointOf({ services, ...(tls !== undefined && { tls }) }), settings)?.current();
    expect(check(['a.A', 'a.C', 'a.B'])).toEqual({ rejectUnauthorized: false });
    expect(check(['a.B'])).toBeUndefined();
    expect(check(['a.B'], true)?.servername).toBe('places.internal');
    expect(check(['a.A'], true)).toEqual({});
  });
});

describe('what connections take', () => {
  const tlsOf = (digest: string) => ({ name: 'a', digest, required: true, link: { ca: digest } });

  it('changes with the files, which is told once', () => {
    const renewed: string[] = [];
    const table = createUpstreamTlsTable((name) => void renewed.push(name));
    table.apply([{ tls: tlsOf('1') }, { tls: tlsOf('1') }, {}]);
    const tls = table.of(tlsOf('1'));
    const first = tls?.current();
    table.apply([{ tls: tlsOf('1') }]);
    // The same object: what was read of it is kept with it.
    expect(tls?.current()).toBe(first);
    table.apply([{ tls: tlsOf('2') }, { tls: tlsOf('2') }]);
    expect([tls?.current(), renewed]).toEqual([{ ca: '2' }, ['a']]);
  });

  it('stays for links that drain, whatever becomes of the name', () => {
    const table = createUpstreamTlsTable(() => undefined);
    table.apply([{ tls: tlsOf('1') }]);
    const old = table.of(tlsOf('1'));
    table.apply([]);
    table.apply([{ tls: tlsOf('2') }]);
    expect([old?.current(), table.of(tlsOf('2'))?.current()]).toEqual([{ ca: '1' }, { ca: '2' }]);
  });
});
