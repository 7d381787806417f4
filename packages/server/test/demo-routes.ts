import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';

/** Handlers of all kinds with a view of their contexts; `watch` goes on as long as its caller. */
export function createDemo() {
  const contexts: HandlerContext[] = [];
  let finished = 0;
  return {
    contexts,
    finished: () => finished,
    routes: (router: ConnectRouter): void => {
      router.service(RankingService, {
        async rank(request, context) {
          contexts.push(context);
          context.responseTrailer.set('x-rest', 'of it');
          if (request.callId === 'hang') await new Promise<void>((resolve) => onAbort(context.signal, resolve));
          return { callId: request.callId, ranked: request.candidates.map(({ name }) => ({ name })) };
        },
        vote() {
          throw new ConnectError('over', Code.FailedPrecondition);
        },
        async *watch(request, context) {
          contexts.push(context);
          try {
            for (let sequence = 1n; !context.signal.aborted; sequence++) {
              yield { callId: request.callId, sequence };
              await new Promise(setImmediate);
            }
          } finally {
            finished++;
          }
        },
        async *tally(requests, context) {
          contexts.push(context);
          for await (const { candidate } of requests) yield { ranked: { name: candidate?.name ?? '' } };
        },
      });
    },
  };
}

function onAbort(signal: AbortSignal, listener: () => void): void {
  signal.addEventListener('abort', listener);
}
