import { parseArgs } from 'node:util';

export interface Arguments {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Undefined registers nowhere. */
  readonly registry: string | undefined;
  readonly tokenFile: string | undefined;
  readonly instanceId: string | undefined;
  /** Whether a launcher holds the other end of standard input, whose end is the word to stop. */
  readonly exitWithStdin: boolean;
}

/** What stands in front of the environment's variables below, so that a container needs no command line. */
export function parseArguments(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      host: { type: 'string', default: env['HOST'] ?? '127.0.0.1' },
      port: { type: 'string', default: env['PORT'] ?? '0' },
      registry: { type: 'string' },
      'token-file': { type: 'string' },
      'instance-id': { type: 'string' },
      'exit-with-stdin': { type: 'boolean', default: false },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535)
    throw new Error(`--port is "${values.port}", but must be 0 to 65535`);
  return {
    host: values.host,
    port,
    registry: values.registry ?? env['BASCULE_REGISTRY'],
    tokenFile: values['token-file'] ?? env['BASCULE_TOKEN_FILE'],
    instanceId: values['instance-id'] ?? env['BASCULE_INSTANCE_ID'],
    exitWithStdin: values['exit-with-stdin'],
  };
}
