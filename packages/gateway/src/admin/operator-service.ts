import type { Body, Clock, Reply, RequestHead, Service } from '@bascule/core';
import { createOperatorGuard, type OperatorGuardOptions } from './operator-guard.ts';
import { answerText, type TextAnswer } from './text-answer.ts';
import { createTokenGate } from './token-gate.ts';

export interface OperatorServiceOptions extends OperatorGuardOptions {
  /** Everything that is not a page below: admin, modules and registry, behind the token. */
  readonly routesService: Service;
  readonly token: string;
  /** Paths whose handlers judge by themselves who calls, and take other tokens too. Default none. */
  judgesItself?(path: string): boolean;
  readonly clock: Clock;
  /** The metrics in Prometheus' text format. */
  metrics(): string | Promise<string>;
  /** False when the process is beyond help and should be ended. */
  healthy(): boolean;
  /** Whether calls can be taken, and why not. */
  ready(): { readonly ready: boolean; readonly reason: string };
}

/** The operator's listener: `/metrics`, `/healthz` and `/readyz` for everybody on this machine, the rest by token. */
export function createOperatorService(options: OperatorServiceOptions): Service {
  const pages: Readonly<Record<string, () => Promise<TextAnswer>>> = {
    // Asynchronous all, so that what throws becomes a 500 and not a crash.
    '/metrics': async () => ({
      status: 200,
      text: await options.metrics(),
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
    }),
    '/healthz': async () =>
      options.healthy() ? { status: 200, text: 'ok\n' } : { status: 503, text: 'not healthy\n' },
    '/readyz': async () => {
      const { ready, reason } = options.ready();
      return ready ? { status: 200, text: 'ok\n' } : { status: 503, text: `not ready: ${reason}\n` };
    },
  };
  const { routesService } = options;
  const guarded = createTokenGate(options.token, options.clock)(routesService);
  function answer(head: RequestHead, reply: Reply): Body {
    const path = head.path.split('?', 1)[0] as string;
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page === undefined) return (options.judgesItself?.(path) === true ? routesService : guarded)(head, reply);
    if (head.method !== 'GET' && head.method !== 'HEAD') {
      return answerText(reply, { status: 405, text: 'only GET is answered here\n', fields: ['allow', 'GET, HEAD'] });
    }
    return answerText(reply, page(), head.method === 'HEAD');
  }
  return createOperatorGuard(options)(answer);
}
