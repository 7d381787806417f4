import { createBearerInterceptor, createNodeTransport } from '@bascule/client';
import { AdminService } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { ModuleService } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import { Code, ConnectError, createClient, type Client, type Interceptor } from '@connectrpc/connect';
import { CliFailure, ExitCode, isUnreachable } from './failure.ts';

/** The operator's services of a gateway. */
export interface Operator {
  readonly admin: Client<typeof AdminService>;
  readonly modules: Client<typeof ModuleService>;
}

/** Ten thousand endpoints of a dozen services are tens of megabytes, and the gateway is the operator's own. */
const MAX_ANSWER_BYTES = 268_435_456;

/** Clients for the operator's listener at `url`. */
export function createOperator(url: string, token: string): Operator {
  const transport = createNodeTransport({
    baseUrl: url,
    protocol: 'connect',
    httpVersion: '1.1',
    connectWaitMs: 0,
    readMaxBytes: MAX_ANSWER_BYTES,
    interceptors: [createExplainer(url), createBearerInterceptor(token)],
  });
  return { admin: createClient(AdminService, transport), modules: createClient(ModuleService, transport) };
}

/** Says in an operator's words what a transport can only call unavailable or unimplemented. */
function createExplainer(url: string): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (thrown) {
      if (isUnreachable(thrown)) {
        const advice = 'Start a gateway ("npm start" or "bascule gateway"), or name another with --operator.';
        throw new CliFailure(ExitCode.unreachable, `no gateway answers at ${url}`, advice);
      }
      const error = ConnectError.from(thrown);
      if (error.code === Code.Unauthenticated) {
        const advice =
          'Is the token of this gateway? Name its file with --token-file; it is "token" in the state folder.';
        throw new CliFailure(ExitCode.unauthorised, `${url} does not take the token`, advice, 'unauthenticated');
      }
      if (error.code === Code.Unimplemented) {
        const advice = "Is it where calls go in, or a registry? Name the gateway's operator listener with --operator.";
        throw new CliFailure(ExitCode.unreachable, `no operator's services at ${url}`, advice, 'unimplemented');
      }
      throw error;
    }
  };
}
