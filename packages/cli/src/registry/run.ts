import { resolve } from 'node:path';
import { formatAddress, systemClock, type Clock } from '@bascule/core';
import {
  anyAccess,
  createRegistry,
  createTokenAccess,
  formatAuditLine,
  loadAccess,
  registryContextValues,
  renderRegistryMetrics,
  requireGuarded,
  type Access,
} from '@bascule/discovery';
import { createOperatorService, readOrCreateToken } from '@bascule/gateway';
import { createKit } from '@bascule/kit';
import { listen, type ListenTls } from '@bascule/wire';
import type { CliContext, GlobalOptions } from '../context.ts';
import { CliFailure, ExitCode } from '../failure.ts';
import { readFileOf } from '../secret-file.ts';
import { waitForStop } from '../shutdown.ts';
import { explainSpec } from '../system-options.ts';
import { toPlain } from '../terminal.ts';

export interface RegistryOptions extends GlobalOptions {
  readonly port: number;
  readonly host: string;
  readonly stateDir: string;
  readonly access?: string;
  readonly open?: true | 'to-everybody';
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly clientCaFile?: string;
  readonly exitWithStdin?: boolean;
}

const GRACE_MS = 5000;

/** Runs until it is stopped. */
export async function runRegistry(context: CliContext, options: RegistryOptions): Promise<void> {
  const { terminal } = context;
  const { host, port } = options;
  const clock = systemClock;
  const token = await readOrCreateToken(resolve(context.cwd, options.stateDir));
  const access = await accessOf(context, options, { token, clock });
  const tls = tlsOf(context, options);
  if (tls === undefined && !isLoopback(host)) {
    terminal.remark(
      `${terminal.paintRemark('yellow', 'warn:')} tokens come over ${host} in the clear: see --cert-file`,
    );
  }
  const registry = createRegistry({
    clock,
    access,
    onEvent: (event) => terminal.remark(toPlain(`registry: ${JSON.stringify(event)}`)),
    onAudit: (event) => terminal.remark(formatAuditLine(event)),
  });
  const kit = createKit({ routes: (router) => registry.routes(router), contextValues: registryContextValues });
  const service = createOperatorService({
    routesService: kit.service,
    token,
    // The registry knows who may do what.
    judgesItself: () => true,
    anyHost: !isLoopback(host),
    clock,
    metrics: () => renderRegistryMetrics(registry.status()),
    healthy: () => true,
    ready: () => ({ ready: true, reason: '' }),
    ports: () => [listener.port],
  });
  const listener = await listen({ host, port, service, clock, ...(tls && { tls }) });
  const stop = waitForStop({
    context,
    clock,
    exitWithStdin: options.exitWithStdin === true,
    force: () => context.exitNow(ExitCode.failed),
  });
  const url = `${tls === undefined ? 'http' : 'https'}://${formatAddress({ host, port: listener.port })}`;
  terminal.print(options.json === true ? JSON.stringify({ registry: url }) : `registry at ${url}`);
  await stop;
  // First, since its watches would otherwise hold the listener open.
  registry.close();
  await listener.close(GRACE_MS);
}

/** Undefined where everybody may do everything. */
async function accessOf(
  context: CliContext,
  { host, open, access: file }: RegistryOptions,
  { token, clock }: { token: string; clock: Clock },
): Promise<Access | undefined> {
  if (open !== undefined && file !== undefined) {
    throw new CliFailure(ExitCode.usage, '--open and --access do not go together', 'Leave one of them out.');
  }
  const operator = createTokenAccess(token);
  const access = file === undefined ? operator : anyAccess(operator, await load(resolve(context.cwd, file), clock));
  const given = open === undefined ? access : undefined;
  await explainSpec(
    async () => requireGuarded({ host, access: given, allowOpen: open === 'to-everybody' }),
    'To let everybody in who reaches it, say --open to-everybody.',
  );
  return given;
}

function load(file: string, clock: Clock): Promise<Access> {
  return explainSpec(async () => loadAccess({ file, clock }), 'docs/registry-access.md describes the file.');
}

function tlsOf(context: CliContext, { certFile, keyFile, clientCaFile }: RegistryOptions): ListenTls | undefined {
  if (certFile === undefined && keyFile === undefined && clientCaFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new CliFailure(ExitCode.usage, 'TLS needs --cert-file and --key-file', 'Name both.');
  }
  const read = (file: string): string => readFileOf(context.cwd, file);
  return {
    cert: read(certFile),
    key: read(keyFile),
    // Who has none may have a token: the rules know what each may do.
    ...(clientCaFile !== undefined && { clientCa: read(clientCaFile), clientCertificateRequired: false }),
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
