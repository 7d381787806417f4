import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ServiceError,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
} from '@grpc/grpc-js';
import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { Int32ValueSchema, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { EchoService } from '../e2e/rig/echo-schema.ts';

type Text = MessageShape<typeof StringValueSchema>;
type Count = MessageShape<typeof Int32ValueSchema>;

const text = (value: string): Text => create(StringValueSchema, { value });

function codecOf<D extends DescMessage>(schema: D) {
  return {
    encode: (message: MessageShape<D>) => Buffer.from(toBinary(schema, message)),
    decode: (bytes: Buffer) => fromBinary(schema, bytes),
  };
}

const TEXT = codecOf(StringValueSchema);
const COUNT = codecOf(Int32ValueSchema);

const pathOf = (method: string): string => `/${EchoService.typeName}/${method}`;

/** What a client of grpc-js saw of an EchoService: one call of each kind, and a failure. */
export async function callWithGrpcJs(port: number): Promise<unknown> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  try {
    const sent = new Metadata();
    sent.set('x-data-bin', Buffer.from([0, 1, 255]));
    let header: Metadata | undefined;
    const say = await new Promise<Text>((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: Text): void => (answer ? resolve(answer) : reject(error));
      const call = client.makeUnaryRequest(pathOf('Say'), TEXT.encode, TEXT.decode, text('hello'), sent, done);
      call.on('metadata', (metadata: Metadata) => (header = metadata));
    });
    const failed = await new Promise<ServiceError>((resolve, reject) => {
      client.makeUnaryRequest(pathOf('Say'), TEXT.encode, TEXT.decode, text('fail'), (error) =>
        error === null ? reject(new Error('it did not fail')) : resolve(error),
      );
    });
    const deadline = await new Promise<number | undefined>((resolve) => {
      const options = { deadline: Date.now() + 100 };
      client.makeUnaryRequest(pathOf('Say'), TEXT.encode, TEXT.decode, text('hang'), options, (error) =>
        resolve(error?.code),
      );
    });
    const count: string[] = [];
    const down = client.makeServerStreamRequest(
      pathOf('Count'),
      COUNT.encode,
      TEXT.decode,
      create(Int32ValueSchema, { value: 3 }),
    );
    for await (const { value } of down as AsyncIterable<Text>) count.push(value);
    const join = await new Promise<Text>((resolve, reject) => {
      const up = client.makeClientStreamRequest(pathOf('Join'), TEXT.encode, TEXT.decode, (error, answer?: Text) =>
        answer ? resolve(answer) : reject(error as ServiceError),
      );
      for (const word of ['a', 'b', 'c']) up.write(text(word));
      up.end();
    });
    const chat: string[] = [];
    const both = client.makeBidiStreamRequest(pathOf('Chat'), TEXT.encode, TEXT.decode);
    both.write(text('one'));
    for await (const { value } of both as AsyncIterable<Text>) {
      chat.push(value);
      if (chat.length === 1) both.write(text('two'));
      else both.end();
    }
    return {
      say: say.value,
      seenBin: (header?.get('x-seen-bin')[0] as Buffer | undefined)?.toString('hex'),
      code: failed.code,
      message: failed.details,
      deadline,
      count,
      join: join.value,
      chat,
    };
  } finally {
    client.close();
  }
}

/** What it has to see of every server of EchoService. */
export const SEEN_BY_GRPC_JS = {
  say: 'hello',
  seenBin: '0001ff',
  code: status.NOT_FOUND,
  message: 'nothing there: ü',
  deadline: status.DEADLINE_EXCEEDED,
  count: ['1', '2', '3'],
  join: 'a b c',
  chat: ['one', 'two'],
};

/** A server of grpc-js. */
export interface GrpcJsServer extends AsyncDisposable {
  readonly port: number;
}

const say: handleUnaryCall<Text, Text> = (call, done) => {
  const { value } = call.request;
  const header = new Metadata();
  for (const bytes of call.metadata.get('x-data-bin')) header.add('x-seen-bin', bytes);
  call.sendMetadata(header);
  if (value === 'fail') return done({ code: status.NOT_FOUND, details: 'nothing there: ü' });
  if (value !== 'hang') done(null, text(value));
};

const count: handleServerStreamingCall<Count, Text> = (call) => {
  for (let i = 1; i <= call.request.value; i++) call.write(text(String(i)));
  call.end();
};

const join: handleClientStreamingCall<Text, Text> = (call, done) => {
  const words: string[] = [];
  call.on('data', ({ value }: Text) => words.push(value));
  call.on('end', () => done(null, text(words.join(' '))));
};

const chat: handleBidiStreamingCall<Text, Text> = (call) => {
  call.on('data', (message: Text) => call.write(message));
  call.on('end', () => call.end());
};

export async function startGrpcJs(): Promise<GrpcJsServer> {
  const server = new Server();
  const answers = { responseSerialize: TEXT.encode, responseDeserialize: TEXT.decode };
  const asks = { requestSerialize: TEXT.encode, requestDeserialize: TEXT.decode, ...answers };
  const definition = {
    Say: { path: pathOf('Say'), requestStream: false, responseStream: false, ...asks },
    Join: { path: pathOf('Join'), requestStream: true, responseStream: false, ...asks },
    Chat: { path: pathOf('Chat'), requestStream: true, responseStream: true, ...asks },
    Count: {
      path: pathOf('Count'),
      requestStream: false,
      responseStream: true,
      requestSerialize: COUNT.encode,
      requestDeserialize: COUNT.decode,
      ...answers,
    },
  };
  server.addService(definition, { Say: say, Join: join, Chat: chat, Count: count });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, [Symbol.asyncDispose]: async () => server.forceShutdown() };
}
