import { once } from 'node:events';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { StringValueSchema, type StringValue } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, type MethodDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { countCall, countMessage, echo, parseOrder, toMessage, type SharedCounts } from './echo-handlers.ts';
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
  const server = new Server();
  const implementation: UntypedServiceImplementation = {
    echo(call: { request: StringValue }, answer: (error: null, value: StringValue) => void) {
      countCall(counts);
      answer(null, echo(call.request));
    },
    repeat: (call: StreamCall) => void repeat(call, counts),
  };
  server.addService({ echo: define(ECHO, false), repeat: define(REPEAT, true) }, implementation);
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
};

type StreamCall = NodeJS.WritableStream & { readonly request: StringValue };

async function repeat(call: StreamCall, counts: SharedCounts): Promise<void> {
  const order = parseOrder(call.request);
  for (let number = 1; number <= order.messages; number++) {
    // A message is what this stream takes, whatever the type of a stream in general says.
    const hasRoom = call.write(toMessage(order, number) as never);
    countMessage(counts);
    if (!hasRoom) await once(call, 'drain');
  }
  countCall(counts);
  call.end();
}
