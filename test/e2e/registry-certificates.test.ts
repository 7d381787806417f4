import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { createDial, type DialCredentials } from '@bascule/client';
import { systemClock } from '@bascule/core';
import {
  createRegistry,
  formatAuditLine,
  loadAccess,
  registryContextValues,
  type RegistryOptions,
} from '@bascule/discovery';
import { createKit } from '@bascule/kit';
import { Protocol, RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { CLIENT_CA, FORGED_CERTIFICATE, PLACES_CERTIFICATE } from '@bascule/testing/client-certificates';
import { TEST_TLS } from '@bascule/testing/tls';
import { listen } from '@bascule/wire';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { failureOf } from './rig/failure.ts';
import { makeFolder } from './rig/folder.ts';

const RULES = `
certificates:
  - { uri: 'spiffe://demo/places', register: [demo.v1.A], read: ['*'] }
tokens:
  - { name: reader, tokenFile: reader.token, read: ['*'] }
`;

/** A registry behind TLS that asks for certificates and lets callers in who have none. */
async function startGuarded(folder: string, onAudit: NonNullable<RegistryOptions['onAudit']>) {
  await writeFile(join(folder, 'access.yaml'), RULES);
  await writeFile(join(folder, 'reader.token'), 'a-token-that-may-read');
  const access = loadAccess({ file: join(folder, 'access.yaml'), clock: systemClock });
  const registry = createRegistry({ clock: systemClock, access, onAudit });
  const kit = createKit({ routes: registry.routes, contextValues: registryContextValues });
  const tls = { ...TEST_TLS, clientCa: CLIENT_CA, clientCertificateRequired: false };
  const listener = await listen({ host: '127.0.0.1', port: 0, service: kit.service, clock: systemClock, tls });
  return {
    as(credentials: DialCredentials) {
      const tls = { ca: TEST_TLS.cert, ...credentials.tls };
      const transport = createDial(systemClock)(`https://localhost:${listener.port}`, { ...credentials, tls });
      return { client: createClient(RegistryService, transport), close: () => transport.close() };
    },
    async close() {
      registry.close();
      await listener.close(0);
    },
  };
}

const endpoint = (service: string) => ({
  instanceId: 'a',
  incarnation: 1n,
  host: '127.0.0.1',
  port: 1,
  protocol: Protocol.GRPC,
  services: [service],
});

describe('a registry that asks for certificates', () => {
  it('lets each do what its certificate or its token stands for', async () => {
    await using folder = await makeFolder();
    const lines: string[] = [];
    const registry = await startGuarded(folder.path, (event) => void lines.push(formatAuditLine(event)));
    const places = registry.as({ tls: PLACES_CERTIFICATE });
    const forged = registry.as({ tls: FORGED_CERTIFICATE });
    const reader = registry.as({ token: 'a-token-that-may-read' });
    const nobody = registry.as({});
    try {
      await places.client.register({ endpoint: endpoint('demo.v1.A') });
      const other = await failureOf(places.client.register({ endpoint: endpoint('demo.v1.B') }));
      expect(other.code).toBe(Code.PermissionDenied);
      expect((await reader.client.list({})).endpoints.length).toBe(1);
      for (const { client } of [forged, nobody]) {
        expect((await failureOf(client.list({}))).code).toBe(Code.Unauthenticated);
        expect((await failureOf(client.register({ endpoint: endpoint('demo.v1.A') }))).code).toBe(Code.Unauthenticated);
      }
      expect(JSON.parse(lines[0] as string)).toMatchObject({
        principal: 'certificate:spiffe://demo/places',
        address: '127.0.0.1',
        verb: 'register',
        outcome: 'allowed',
      });
      expect(lines.slice(1).every((line) => line.includes('"outcome":"refused"'))).toBe(true);
    } finally {
      await Promise.all([places, forged, reader, nobody].map((caller) => caller.close()));
      await registry.close();
    }
  });
});
