import { createDial } from '@bascule/client';
import { endpointKey, systemClock, type Clock, type Endpoint, type EndpointProtocol } from '@bascule/core';
import { openSource, type Source, type SourceChange } from '@bascule/discovery';
import type { CliContext } from '../context.ts';
import { CliFailure, ExitCode } from '../failure.ts';
import { holdProcess } from '../process-hold.ts';
import { explainSpec, readCredentials, type SystemOptions } from '../system-options.ts';
import { toPlain, type Terminal } from '../terminal.ts';
import { printChange, printEndpoints, printStatus } from './print.ts';

export interface ResolveOptions extends SystemOptions {
  readonly service?: readonly string[];
  readonly protocol: string;
  readonly timeout: number;
  readonly watch?: boolean;
}

/** Asks, prints, and with `watch` goes on until it is stopped. */
export async function runResolve(context: CliContext, url: URL, options: ResolveOptions): Promise<void> {
  const { terminal } = context;
  const clock = systemClock;
  const source = await explainSpec(() => openSource({ ...specOf(context, url, options), clock }));
  const seen = follow(source, { terminal, options, clock });
  const stopped = new Promise<'stopped'>((stop) => context.onStop(() => stop('stopped')));
  // Nothing else keeps the process alive while a system is silent.
  const release = holdProcess();
  try {
    if ((await Promise.race([seen.answered, stopped])) === 'stopped') return;
    if (options.watch !== true) return printEndpoints(terminal, options, seen.endpoints());
    await stopped;
  } finally {
    release();
    await source.close();
  }
}

function specOf(
  context: CliContext,
  url: URL,
  options: ResolveOptions,
): Omit<Parameters<typeof openSource>[0], 'clock'> {
  return {
    url,
    credentials: readCredentials(context, options, url),
    dial: createDial(systemClock),
    env: context.env,
    baseDir: context.cwd,
    schemas: new Map(),
    defaults: {
      services: options.service ?? [],
      protocol: options.protocol as Exclude<EndpointProtocol, 'port'>,
      codecs: ['proto'],
      schemaDigest: '',
    },
  };
}

interface Seen {
  /** Resolves at the first answer; rejects when there is none in time. */
  readonly answered: Promise<void>;
  endpoints(): Endpoint[];
}

function follow(
  source: Source,
  { terminal, options, clock }: { terminal: Terminal; options: ResolveOptions; clock: Clock },
): Seen {
  const known = new Map<string, Endpoint>();
  const answered = Promise.withResolvers<void>();
  let why = 'it says nothing';
  const limit = clock.after(options.timeout, () => {
    answered.reject(new CliFailure(ExitCode.unreachable, `no answer within ${options.timeout / 1000} s: ${why}`));
  });
  source.start({
    changes(changes) {
      for (const change of changes) {
        apply(known, change);
        if (options.watch === true) printChange(terminal, options, change);
      }
    },
    status(status) {
      if (options.watch === true) printStatus(terminal, options, status);
      if (status.state === 'connected') {
        limit.cancel();
        answered.resolve();
      } else if (status.error !== undefined) {
        why = status.error;
      }
    },
    schema: () => {},
    warning: (message) => terminal.remark(`${terminal.paintRemark('yellow', 'warning:')} ${toPlain(message)}`),
  });
  return { answered: answered.promise, endpoints: () => [...known.values()] };
}

function apply(known: Map<string, Endpoint>, change: SourceChange): void {
  if (change.type === 'insert' || change.type === 'update') known.set(endpointKey(change.endpoint), change.endpoint);
  else if (change.type === 'remove') known.delete(change.key);
}
