import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { createNodeTransport, type Protocol } from '../src/index.ts';
import { DUPLEX_SCENARIOS, SCENARIOS } from './support/scenarios.ts';
import { TestService } from './support/schema.ts';
import { startServer, type HttpVersion } from './support/servers.ts';

const WAYS: readonly (readonly [Protocol, HttpVersion])[] = [
  ['grpc', '2'],
  ['grpc-web', '2'],
  ['connect', '2'],
  ['grpc-web', '1.1'],
  ['connect', '1.1'],
];

function createTheirs(protocol: Protocol, httpVersion: HttpVersion, baseUrl: string, binary: boolean): Transport {
  const options = { baseUrl, httpVersion, useBinaryFormat: binary };
  if (protocol === 'connect') return createConnectTransport(options);
  return protocol === 'grpc' ? createGrpcTransport(options) : createGrpcWebTransport(options);
}

describe.each(WAYS)('%s over HTTP/%s', (protocol, httpVersion) => {
  describe.each([true, false])('binary: %s', (binary) => {
    const scenarios = { ...SCENARIOS, ...(httpVersion === '2' ? DUPLEX_SCENARIOS : {}) };

    it.concurrent.each(Object.entries(scenarios))('%s: a caller sees what it sees of connect-node', async (_, see) => {
      await using server = await startServer(httpVersion);
      const theirs = createTheirs(protocol, httpVersion, server.url, binary);
      const ours = createNodeTransport({ baseUrl: server.url, protocol, httpVersion, useBinaryFormat: binary });
      try {
        const expected = await see(createClient(TestService, theirs), theirs);
        expect(await see(createClient(TestService, ours), ours)).toEqual(expected);
      } finally {
        await ours.close();
      }
    });
  });
});
