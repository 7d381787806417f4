import { create, type Message } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { createClient, type CallOptions, type Client, type Transport } from '@connectrpc/connect';
import {
  StreamType,
  type BidiStreamRequest,
  type ClientCompatRequest,
  type ClientCompatResponse,
  type ClientStreamRequest,
  type ConformanceService,
  type IdempotentUnaryRequest,
  type ServerStreamRequest,
  type UnaryRequest,
} from '../messages.ts';
import type { Stubs } from '../stubs.ts';
import { CallOutcome } from './outcome.ts';

interface Call {
  readonly request: ClientCompatRequest;
  readonly client: Client<ConformanceService>;
  readonly messages: readonly Message[];
  readonly outcome: CallOutcome;
  readonly options: CallOptions;
  readonly abort: AbortController;
}

/** Makes the calls that the suite asks for, in Node or in a page. */
export function createCaller(
  stubs: Stubs,
  transports: { of(request: ClientCompatRequest): Transport },
): (request: ClientCompatRequest) => Promise<ClientCompatResponse> {
  return async (request) => {
    const { testName } = request;
    const outcome = new CallOutcome(stubs);
    try {
      const abort = new AbortController();
      const call: Call = {
        request,
        client: createClient(stubs.service, transports.of(request)),
        messages: request.requestMessages.map((any) => {
          const message = anyUnpack(any, stubs.registry);
          if (message === undefined) throw new Error(`the type ${any.typeUrl} is unknown`);
          return message;
        }),
        outcome,
        abort,
        options: {
          ...outcome.observers(),
          signal: abort.signal,
          headers: request.requestHeaders.flatMap(({ name, value }) =>
            value.map((one): [string, string] => [name, one]),
          ),
          ...(request.timeoutMs !== undefined && { timeoutMs: request.timeoutMs }),
        },
      };
      await run(call).catch((thrown: unknown) => outcome.fail(thrown));
    } catch (thrown) {
      const value = create(stubs.message('ClientErrorResult'), { message: String(thrown) });
      return create(stubs.message('ClientCompatResponse'), { testName, result: { case: 'error', value } });
    }
    const result = { case: 'response' as const, value: outcome.toResult() };
    return create(stubs.message('ClientCompatResponse'), { testName, result });
  };
}

function run(call: Call): Promise<void> {
  switch (call.request.streamType) {
    case StreamType.unary:
      return callUnary(call);
    case StreamType.server:
      return callServerStream(call);
    case StreamType.client:
      return callClientStream(call);
    case StreamType.halfDuplex:
      return callHalfDuplex(call);
    case StreamType.fullDuplex:
      return callFullDuplex(call);
    default:
      throw new Error(`stream type ${call.request.streamType} is unknown`);
  }
}

async function callUnary(call: Call): Promise<void> {
  const { request, client, options, outcome } = call;
  const [message] = call.messages;
  await sleep(request.requestDelayMs);
  abortAfterClose(call);
  if (request.method === 'Unary') {
    outcome.addAnswer(await client.unary(message as UnaryRequest, options));
  } else if (request.method === 'IdempotentUnary') {
    outcome.addAnswer(await client.idempotentUnary(message as IdempotentUnaryRequest, options));
  } else {
    await client.unimplemented({}, options);
    outcome.addAnswer({});
  }
}

async function callServerStream(call: Call): Promise<void> {
  const { request, client, options } = call;
  await sleep(request.requestDelayMs);
  abortAfterClose(call);
  await readAll(call, client.serverStream(call.messages[0] as ServerStreamRequest, options));
}

async function callClientStream(call: Call): Promise<void> {
  const requests = sendAll(call) as AsyncGenerator<ClientStreamRequest>;
  call.outcome.addAnswer(await call.client.clientStream(requests, call.options));
}

async function callHalfDuplex(call: Call): Promise<void> {
  const requests = sendAll(call) as AsyncGenerator<BidiStreamRequest>;
  await readAll(call, call.client.bidiStream(requests, call.options));
}

/** The requests one after the other; what the suite says about cancelling at the end of them. */
async function* sendAll(call: Call): AsyncGenerator<Message> {
  const { request, messages, outcome } = call;
  outcome.unsent = messages.length;
  for (const message of messages) {
    await sleep(request.requestDelayMs);
    outcome.unsent--;
    yield message;
  }
  endRequests(call);
}

function endRequests(call: Call): void {
  if (call.request.cancel?.cancelTiming.case === 'beforeCloseSend') call.abort.abort();
  else abortAfterClose(call);
}

async function readAll(call: Call, answers: AsyncIterable<Parameters<CallOutcome['addAnswer']>[0]>): Promise<void> {
  for await (const answer of answers) addAnswer(call, answer);
}

function addAnswer(call: Call, answer: Parameters<CallOutcome['addAnswer']>[0]): void {
  const { outcome, request, abort } = call;
  outcome.addAnswer(answer);
  const timing = request.cancel?.cancelTiming;
  if (timing?.case === 'afterNumResponses' && outcome.payloads.length === timing.value) abort.abort();
}

/** One request, one answer, in turns; then the rest of the answers. */
async function callFullDuplex(call: Call): Promise<void> {
  const { request, messages, outcome } = call;
  outcome.unsent = messages.length;
  const answers = call.client.bidiStream(inTurns(), call.options)[Symbol.asyncIterator]();
  let answered = Promise.withResolvers<void>();

  async function* inTurns(): AsyncGenerator<BidiStreamRequest> {
    for (const message of messages) {
      await sleep(request.requestDelayMs);
      outcome.unsent--;
      yield message as BidiStreamRequest;
      await answered.promise;
      answered = Promise.withResolvers<void>();
    }
    endRequests(call);
  }

  for (let next = await answers.next(); next.done !== true; next = await answers.next()) {
    addAnswer(call, next.value);
    answered.resolve();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Unary and server stream calls close their side as they begin. */
function abortAfterClose({ request, abort }: Call): void {
  const timing = request.cancel?.cancelTiming;
  if (request.cancel === undefined || timing?.case === 'afterNumResponses') return;
  const afterMs = timing?.case === 'afterCloseSendMs' ? timing.value : 0;
  setTimeout(() => abort.abort(), afterMs);
}
