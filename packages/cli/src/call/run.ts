import { fromJson, toJson, type DescMessage, type DescMethod, type JsonValue, type Message } from '@bufbuild/protobuf';
import type { DescMethodStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import type { Transport } from '@connectrpc/connect';
import { CliFailure, ExitCode } from '../failure.ts';
import type { KnownMethod } from './method.ts';

export interface RunOptions {
  readonly transport: Transport;
  readonly known: KnownMethod;
  /** One for each request message. */
  readonly documents: AsyncIterable<unknown>;
  readonly headers: readonly (readonly [string, string])[];
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
}

/** Makes a call of any kind and hands on its answers as JSON, as they come. */
export async function* runCall(options: RunOptions): AsyncGenerator<JsonValue> {
  const { known, transport, signal, timeoutMs } = options;
  const { method, registry } = known;
  const headers = new Headers(options.headers.map(([name, value]): [string, string] => [name, value]));
  const requests = toRequests(options);
  const toAnswer = (message: Message): JsonValue =>
    toJson(method.output, message, { registry, alwaysEmitImplicit: true });
  if (isUnary(method)) {
    const request = await onlyOne(requests, method);
    const answer = await transport.unary(method, signal, timeoutMs, headers, request);
    yield toAnswer(answer.message);
    return;
  }
  const streaming = method as DescMethodStreaming;
  const input = method.methodKind === 'server_streaming' ? only(await onlyOne(requests, method)) : requests;
  const answer = await transport.stream(streaming, signal, timeoutMs, headers, input);
  for await (const message of answer.message) yield toAnswer(message);
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

async function* only<T>(message: T): AsyncGenerator<T> {
  yield message;
}

async function onlyOne(requests: AsyncIterable<Message>, method: DescMethod): Promise<Message> {
  let request: Message | undefined;
  for await (const next of requests) {
    if (request !== undefined) throw wrongCount(`${method.name} takes one request, and more were given`);
    request = next;
  }
  if (request === undefined) throw wrongCount(`${method.name} takes one request, and none was given`);
  return request;
}

function wrongCount(message: string): CliFailure {
  return new CliFailure(ExitCode.usage, message, 'Only methods with a stream of requests take another number of them.');
}

async function* toRequests({ known, documents }: RunOptions): AsyncGenerator<Message> {
  for await (const document of documents) yield toRequest(known.method.input, known, document);
}

function toRequest(input: DescMessage, { registry }: KnownMethod, document: unknown): Message {
  try {
    return fromJson(input, document as JsonValue, { registry });
  } catch (cause) {
    const fields = input.fields.map((field) => field.jsonName).join(', ');
    const why = (cause as Error).message;
    const advice = fields === '' ? `${input.typeName} has no fields.` : `Its fields are ${fields}.`;
    throw new CliFailure(ExitCode.usage, `the request is no ${input.typeName}: ${why}`, advice);
  }
}
