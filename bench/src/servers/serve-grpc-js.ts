import { once } from 'node:events';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { StringValueSchema, type StringValue } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, type MethodDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { createEchoHandlers } from './echo-handlers.ts';
import type { ServeEcho } from './echo-process.ts';
import { ECHO, REPEAT } from './echo-schema.ts';

/** With protobuf-es as its codec: what is compared is the server, not two codecs. */
function define(method: string, responseStream: boolean): MethodDefinition<StringValue, StringValue> {
  const serialize = (message: StringValue): Buffer => {
    const { buffer, byteOffset, length } = toBinary(StringValueSchema, message);
    return Buffer.from(buffer, byteOffset, length);
  };
  const deserialize = (bytes: Buffer): StringValue => fromBinary(StringValueSchema, bytes);
  return {
    path: `/${method}`,
    requestStream: false,
    responseStream,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
}

export const serveEcho: ServeEcho = async (counts) => {
  const { echo, repeat } = createEchoHandlers(counts);
  const server = new Server();
  const implementation: UntypedServiceImplementation = {
    echo: (call: { request: StringValue }, answer: (error: null, value: StringValue) => void) =>
      answer(null, echo(call.request)),
    repeat: (call: NodeJS.WritableStream & { request: StringValue }) => void writeAll(call, repeat(call.request)),
  };
  server.addService({ echo: define(ECHO, false), repeat: define(REPEAT, true) }, implementation);
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
};

async function writeAll(call: NodeJS.WritableStream, messages: Iterable<StringValue>): Promise<void> {
  for (const message of messages) if (!call.write(message as never)) await once(call, 'drain');
  call.end();
}
