import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { EchoService } from '../e2e/rig/echo-schema.ts';

/** EchoService as the server in `go/` has it, so that one set of expectations judges both. */
export function echoRoutes(router: ConnectRouter): void {
  router.service(EchoService, {
    async say({ value }, { requestHeader, responseHeader, responseTrailer, signal }) {
      responseHeader.set('x-seen-bin', requestHeader.get('x-data-bin') ?? '');
      responseTrailer.append('x-trailer', 'a');
      responseTrailer.append('x-trailer', 'b');
      if (value === 'fail') throw createFailure();
      if (value === 'hang') await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      signal.throwIfAborted();
      return { value };
    },
    async *count({ value }) {
      for (let i = 1; i <= value; i++) yield { value: String(i) };
    },
    async join(requests) {
      const words: string[] = [];
      for await (const { value } of requests) words.push(value);
      return { value: words.join(' ') };
    },
    async *chat(requests) {
      for await (const { value } of requests) yield { value };
    },
  });
}

function createFailure(): ConnectError {
  const details = [{ desc: StringValueSchema, value: { value: 'GONE' } }];
  return new ConnectError('nothing there: ü', Code.NotFound, undefined, details);
}
