import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';

/** What the demo handlers let a test see and steer. */
export interface DemoProbe {
  /** Contexts of the calls that began, in order. */
  readonly contexts: HandlerContext[];
  /** Settles with the reason when a `watch` or `rank` call is aborted. */
  readonly aborted: Promise<unknown>;
  /** `watch` and `tally` calls whose generator has run its `finally`. */
  finished: number;
  /** Messages that `watch` calls have yielded. */
  produced: number;
}

/** Handlers of all kinds: unary `rank` and `vote`, server stream `watch`, bidi stream `tally`. */
export function createDemo(): DemoProbe & { routes: (router: ConnectRouter) => void } {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const demo = { contexts: [] as HandlerContext[], aborted: promise, finished: 0, produced: 0 };
  const begin = (context: HandlerContext): void => {
    demo.contexts.push(context);
    context.signal.addEventListener('abort', () => resolve(context.signal.reason));
  };
  return Object.assign(demo, {
    routes(router: ConnectRouter) {
      router.service(RankingService, {
        async rank(request, context) {
          begin(context);
          if (request.callId === 'hang') {
            await new Promise((_, reject) => {
              context.signal.addEventListener('abort', () => reject(context.signal.reason));
            });
          }
          context.responseHeader.set('x-seen', context.requestHeader.get('x-sent') ?? '');
          context.responseTrailer.set('x-rest', 'of it');
          const ranked = request.candidates.map(({ id, name }) => ({ id, name }));
          return { callId: request.callId, ranked, version: 'v1' };
        },
        vote() {
          throw new ConnectError('the vote is over: 100 % counted', Code.FailedPrecondition, { 'x-why': 'late' });
        },
        async *watch(request, context) {
          begin(context);
          try {
            const last = request.callId.startsWith('endless') ? Infinity : 3;
            for (let n = 1; n <= last; n++) {
              demo.produced++;
              yield { callId: request.callId, sequence: BigInt(n) };
            }
          } finally {
            demo.finished++;
          }
        },
        async *tally(requests, context) {
          begin(context);
          let sequence = 0n;
          try {
            for await (const { candidate, callId } of requests) {
              yield { callId, sequence: ++sequence, ranked: { id: candidate?.id ?? 0, name: candidate?.name ?? '' } };
            }
          } finally {
            demo.finished++;
          }
        },
      });
    },
  });
}
