/**
 * The page of the browser under test: `answer` makes the call of a ClientCompatRequest by Bascule's transport, to the
 * gateway that the page came from. Requests and responses are base64, since a page is given JSON.
 */
import { createBasculeTransport } from '@bascule/web';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire';
import { createCaller } from '../client/caller.ts';
import { Codec, Protocol } from '../messages.ts';
import { createStubs } from '../stubs.ts';

declare global {
  var answer: ((request: string) => Promise<string>) | undefined;
}

const schema = await fetch('conformance.binpb');
const stubs = createStubs(new Uint8Array(await schema.arrayBuffer()));
const call = createCaller(stubs, {
  of: ({ protocol, codec }) =>
    createBasculeTransport({
      protocol: protocol === Protocol.connect ? 'connect' : 'grpc-web',
      useBinaryFormat: codec === Codec.proto,
      jsonOptions: { registry: stubs.registry },
      // The suite looks at the deadlines that a backend is told: only its own may be there.
      defaultTimeoutMs: 0,
    }),
});

globalThis.answer = async (request) => {
  const response = await call(fromBinary(stubs.message('ClientCompatRequest'), base64Decode(request)));
  return base64Encode(toBinary(stubs.message('ClientCompatResponse'), response));
};
