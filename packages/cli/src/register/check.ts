import type { Clock, Endpoint } from '@bascule/core';
import type { Probes } from '@bascule/discovery';
import { InvalidArgumentError } from 'commander';

/** How a program is asked whether it can answer. */
export type Check =
  | { readonly kind: 'none' }
  | { readonly kind: 'tcp' }
  | { readonly kind: 'grpc' }
  | { readonly kind: 'http'; readonly path: string };

/** `tcp`, `grpc`, `http:/path` or `none`. */
export function parseCheck(text: string): Check {
  if (text === 'none' || text === 'tcp' || text === 'grpc') return { kind: text };
  const path = /^http:(\/[!-~]*)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: 'http', path };
  throw new InvalidArgumentError('It must be tcp, grpc, http:/path or none.');
}

const TIMEOUT_MS = 2_000;

/** Asks once. Returns undefined when it passes, and else why not. */
export async function runCheck(
  check: Check,
  { endpoint, probes, clock }: { endpoint: Endpoint; probes: Probes; clock: Clock },
): Promise<string | undefined> {
  const limit = new AbortController();
  const timer = clock.after(TIMEOUT_MS, () => limit.abort(new Error(`no answer within ${TIMEOUT_MS} ms`)));
  try {
    if (check.kind === 'tcp') await probes.tcp(endpoint, limit.signal);
    if (check.kind === 'http') await probes.http(endpoint, { path: check.path, port: undefined }, limit.signal);
    if (check.kind === 'grpc') await probes.grpc(endpoint, { service: '' }, limit.signal);
    return undefined;
  } catch (error) {
    const thrown: unknown = limit.signal.aborted ? limit.signal.reason : error;
    return thrown instanceof Error ? thrown.message : String(thrown);
  } finally {
    timer.cancel();
  }
}
