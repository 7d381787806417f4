import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock, type PeerCertificate } from '@bascule/core';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { createClient, createRouterTransport, type Interceptor } from '@connectrpc/connect';
import type { AuditEvent } from '../src/registry/access/audit.ts';
import { loadAccess } from '../src/registry/access/load-access.ts';
import { PEER } from '../src/registry/caller.ts';
import { createRegistry, type RegistryOptions } from '../src/registry/registry.ts';
import { speakTo } from './registry-rig.ts';
import { onClose } from './rig.ts';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A folder with these files; gone at the end of the test. */
function writeFolder(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-access-'));
  onClose(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** The rules of an access file; other files stand beside it. */
export function accessOf(rules: string, files: Readonly<Record<string, string>> = {}, clock = createVirtualClock()) {
  const folder = writeFolder({ ...files, 'access.yaml': rules });
  return loadAccess({ file: join(folder, 'access.yaml'), clock });
}

/** A registry behind access rules, and callers who show what they have. */
export function openGuarded(
  rules: string,
  {
    files = {},
    clock = createVirtualClock(),
    ...options
  }: { files?: Readonly<Record<string, string>> } & Partial<RegistryOptions> & {
      clock?: ReturnType<typeof createVirtualClock>;
    } = {},
) {
  const audit: AuditEvent[] = [];
  const registry = createRegistry({
    clock,
    access: accessOf(rules, files, clock),
    onAudit: (event) => void audit.push(event),
    ...options,
  });
  onClose(() => registry.close());

  function as(shown: { token?: string; certificate?: PeerCertificate; address?: string }) {
    const { token, certificate, address = '10.0.0.7' } = shown;
    const peer: Interceptor = (next) => (request) => {
      request.contextValues.set(PEER, { address, certificate });
      return next(request);
    };
    const transport = createRouterTransport(registry.routes, { router: { interceptors: [peer] } });
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const client = createClient(RegistryService, transport);
    return { client, headers, ...speakTo(client, headers) };
  }

  return { registry, clock, audit, as };
}
