import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock, type Endpoint, type EndpointProtocol } from '@bascule/core';
import { toAddressId } from '@bascule/discovery';
import { digestOf } from '@bascule/schema';
import { InvalidArgumentError, type Command } from 'commander';
import type { CliContext } from '../context.ts';
import { CliFailure, ExitCode } from '../failure.ts';
import { parseCheck, type Check } from '../register/check.ts';
import {
  addSystemOptions,
  createProtocolOption,
  parseSystemUrl,
  readCredentials,
  type SystemOptions,
} from '../system-options.ts';

interface RegisterOptions extends SystemOptions {
  readonly at?: readonly string[];
  readonly service: readonly string[];
  readonly address: Address;
  readonly instanceId?: string;
  readonly protocol: string;
  readonly weight: number;
  readonly zone: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly schema?: string;
  readonly ttl: number;
  readonly check: Check;
}

interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

const HELP = `
Starts the command, waits until its check passes, registers it, and checks it from then on: while the check fails it is
registered as failing and gets no new calls. When the command ends, or this one is stopped, it is deregistered first;
then the command gets SIGTERM, and time to finish. Its exit code becomes the one of this command. Without a command the
address is registered as it is.

Examples:
  bascule register --service demo.places.v1.PlacesService --address 127.0.0.1:5001 -- ./places-server --port 5001
  bascule register --at consul://127.0.0.1:8500 --at http://127.0.0.1:7070 --service a.B --address 10.0.0.5:80 --check http:/healthz`;

export function addRegisterCommand(program: Command, context: CliContext): void {
  const command = program
    .command('register')
    .argument('[command...]', 'a program to run, behind --')
    .summary('register a program, of any language')
    .description('Runs a program and keeps it registered for as long as it runs and passes its check.')
    .option('--at <url...>', 'registries or other systems to register with; default the one of --operator')
    .requiredOption('--service <name...>', 'fully qualified names of the services that it answers', parseService)
    .requiredOption(
      '--address <host:port>',
      'where others reach it; "https://host:port" if it speaks TLS',
      parseAddress,
    )
    .option('--instance-id <id>', 'stable over restarts; default the address')
    .addOption(createProtocolOption())
    .option('--weight <number>', 'relative share of calls, 0 to 65535', parseWeight, 1)
    .option('--zone <name>', 'where it runs', '')
    .option('--label <key=value>', 'may be repeated', parseLabel)
    .option('--schema <file>', 'google.protobuf.FileDescriptorSet of its services, as "buf build -o" writes it')
    .option('--ttl <seconds>', 'how long it counts as alive without a word; 1 to 600', parseTtl, 15_000)
    .option('--check <kind>', 'tcp, grpc, http:/path or none', parseCheck, { kind: 'tcp' })
    .addHelpText('after', HELP);
  addSystemOptions(command).action(async (argv: readonly string[], _options: unknown, invoked: Command) =>
    register(context, argv, invoked.optsWithGlobals<RegisterOptions>()),
  );
}

async function register(context: CliContext, argv: readonly string[], options: RegisterOptions): Promise<void> {
  // Loaded late: the other commands need none of it.
  const { runRegistered } = await import('../register/run.ts');
  const { createDial } = await import('@bascule/client');
  const at = options.at ?? [options.operator];
  const credentials = at.map((text) => readCredentials(context, options, parseSystemUrl(text)));
  const schema = options.schema === undefined ? new Uint8Array() : readSchema(resolve(context.cwd, options.schema));
  const code = await runRegistered({
    context,
    argv,
    clock: systemClock,
    endpoint: endpointOf(options, schema),
    schema,
    check: options.check,
    dial: createDial(systemClock),
    systems: at.map((url, index) => ({ url, ttlMs: options.ttl, credentials: credentials[index] ?? {} })),
  });
  if (code !== 0) throw new CliFailure(code, `the command ended with ${code}`);
}

function endpointOf(options: RegisterOptions, schema: Uint8Array): Endpoint {
  const { host, port, tls } = options.address;
  return {
    instanceId: options.instanceId ?? toAddressId({ host, port }),
    incarnation: Math.floor(systemClock.wallMs()),
    host,
    port,
    protocol: options.protocol as Exclude<EndpointProtocol, 'port'>,
    ...(tls && { tls }),
    codecs: ['proto'],
    weight: options.weight,
    priority: 0,
    zone: options.zone,
    services: options.service,
    schemaDigest: schema.length === 0 ? '' : digestOf(schema),
    moduleVersion: '',
    labels: options.label ?? {},
  };
}

function readSchema(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new CliFailure(ExitCode.usage, `${file} cannot be read (${code})`, 'Name a FileDescriptorSet with --schema.');
  }
}

/** Added to those before. */
function parseService(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/.test(text))
    throw new InvalidArgumentError('It must be a fully qualified name, as in demo.places.v1.PlacesService.');
  return [...before, text];
}

function parseAddress(text: string): Address {
  const match = /^(https:\/\/)?(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[4] ?? 0);
  if (match === null || port < 1 || port > 65_535)
    throw new InvalidArgumentError('It must be "host:port", as in 127.0.0.1:5001.');
  return { host: (match[2] ?? match[3]) as string, port, tls: match[1] !== undefined };
}

function parseTtl(text: string): number {
  const ttlMs = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) * 1_000 : 0;
  if (ttlMs < 1_000 || ttlMs > 600_000) throw new InvalidArgumentError('It must be seconds, from 1 to 600.');
  return ttlMs;
}

function parseWeight(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 0 to 65535.');
}

function parseLabel(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const split = text.indexOf('=');
  if (split < 1) throw new InvalidArgumentError('It must be "key=value".');
  return { ...before, [text.slice(0, split)]: text.slice(split + 1) };
}
