import { connect as connectHttp2 } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { systemClock, type PeerCertificate, type Service } from '@bascule/core';
import {
  CLIENT_CA,
  COMMON_NAME_CERTIFICATE,
  FORGED_CERTIFICATE,
  PLACES_CERTIFICATE,
} from '@bascule/testing/client-certificates';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterEach, describe, expect, it } from 'vitest';
import { listen, type Listener } from '../../src/listener.ts';
import { parseAltNames } from '../../src/listener/certificate.ts';

let listener: Listener | undefined;

afterEach(async () => {
  await listener?.close(0);
  listener = undefined;
});

interface Shown {
  readonly cert?: string;
  readonly key?: string;
}

/** What the calls of one connection of each version say of the certificate that was shown. */
async function certificatesOf(shown: Shown, clientCertificateRequired: boolean) {
  const seen: (PeerCertificate | undefined)[] = [];
  const service: Service = (head, reply) => {
    seen.push(head.call.peerCertificate);
    queueMicrotask(() => {
      reply.head({ status: 200, fields: [] });
      reply.end([]);
    });
    return { write() {}, end() {}, cancel() {}, grant() {} };
  };
  const tls = { ...TEST_TLS, clientCa: CLIENT_CA, clientCertificateRequired };
  listener = await listen({ host: '127.0.0.1', port: 0, clock: systemClock, service, tls });
  const { port } = listener;
  await getByHttp2(port, shown);
  await getByHttp1(port, shown);
  return seen;
}

function getByHttp2(port: number, shown: Shown): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ...shown, rejectUnauthorized: false });
    let isAnswered = false;
    session.on('error', reject);
    session.on('close', () => (isAnswered ? resolve() : reject(new Error('closed without an answer'))));
    const stream = session.request({ ':path': '/' });
    stream.on('error', reject);
    stream.on('response', () => {
      isAnswered = true;
    });
    stream.on('close', () => session.close());
    stream.resume();
  });
}

function getByHttp1(port: number, shown: Shown): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, ...shown, rejectUnauthorized: false, agent: false };
    requestHttps(options, (response) => response.resume().on('end', () => resolve()))
      .on('error', reject)
      .end();
  });
}

describe('the certificate of a caller', () => {
  const places = { uris: ['spiffe://demo/places'], dnsNames: ['places.internal'], commonName: 'ignored' };
  const named = { uris: [], dnsNames: [], commonName: 'named-by-cn' };

  it.each([true, false])('is told with each call, over HTTP/1.1 and HTTP/2 (required: %s)', async (required) => {
    expect(await certificatesOf(PLACES_CERTIFICATE, required)).toEqual([places, places]);
    await listener?.close(0);
    expect(await certificatesOf(COMMON_NAME_CERTIFICATE, required)).toEqual([named, named]);
  });

  it('is none where another authority stands behind it, or nothing was shown', async () => {
    expect(await certificatesOf(FORGED_CERTIFICATE, false)).toEqual([undefined, undefined]);
    await listener?.close(0);
    expect(await certificatesOf({}, false)).toEqual([undefined, undefined]);
  });

  it.each([{}, FORGED_CERTIFICATE])('is asked for where it is required (%#)', async (shown) => {
    await expect(certificatesOf(shown, true)).rejects.toThrow();
  });
});

describe('alternative names', () => {
  it('are read as Node writes them', () => {
    expect(parseAltNames('DNS:a.b, URI:spiffe://x/y, IP Address:127.0.0.1, DNS:c')).toEqual({
      uris: ['spiffe://x/y'],
      dnsNames: ['a.b', 'c'],
    });
    expect(parseAltNames('')).toEqual({ uris: [], dnsNames: [] });
  });

  it('cannot be smuggled into another one', () => {
    const quoted = 'URI:"spiffe://x/a, DNS:admin", DNS:b';
    expect(parseAltNames(quoted)).toEqual({ uris: ['spiffe://x/a, DNS:admin'], dnsNames: ['b'] });
    for (const broken of ['DNS:"a', 'DNS', 'DNS:a,DNS:b', 'URI:"a"b', 'URI:"\\x"']) {
      expect(parseAltNames(broken)).toBeUndefined();
    }
  });
});
