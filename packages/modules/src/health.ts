import type { MessagePort } from 'node:worker_threads';
import { codeName, createCallContext, outcomeOfEnd, type Clock, type Outcome } from '@bascule/core';
import { createPortLink } from '@bascule/wire';
import { ModuleRefused } from './refusal.ts';

/** No module serves it: the kit itself answers `unimplemented`, so no handler of the user runs. */
const PING_PATH = '/bascule.modules.v1.HealthCheck/Ping';

/** Makes one call over a port of its own and takes any answer of the other side as health. Throws ModuleRefused. */
export async function checkHealth(port: MessagePort, clock: Clock, timeoutMs: number): Promise<void> {
  const link = createPortLink(port, clock);
  const answered = Promise.withResolvers<Outcome | undefined>();
  const timer = clock.after(timeoutMs, () => answered.resolve(undefined));
  try {
    const body = link.service(
      {
        method: 'POST',
        path: PING_PATH,
        authority: '',
        scheme: 'http',
        fields: ['content-type', 'application/grpc+proto', 'te', 'trailers'],
        call: createCallContext('health-check', clock.nowMs(), ''),
      },
      {
        head: () => undefined,
        write: () => undefined,
        end: (trailers) => answered.resolve(outcomeOfEnd(undefined, trailers)),
        fail: (error) => answered.resolve({ code: error.code, by: 'wire', message: error.message }),
        grant: () => undefined,
      },
    );
    body.end();
    const outcome = await answered.promise;
    if (outcome?.by === 'callee') return;
    const problem =
      outcome === undefined ? `no answer within ${timeoutMs} ms` : `${codeName(outcome.code)}: ${outcome.message}`;
    throw new ModuleRefused(`the health check failed: ${problem}`, 'See what the module does after it was loaded');
  } finally {
    timer.cancel();
    link.destroy();
  }
}
