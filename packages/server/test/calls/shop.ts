import { create, setExtension, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { fileDesc, serviceDesc, type GenService } from '@bufbuild/protobuf/codegenv2';
import {
  file_google_protobuf_wrappers,
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel,
  MethodOptionsSchema,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt';
import {
  file_bascule_options_v1_options,
  MethodRulesSchema,
  rules,
} from '@bascule/schema/gen/bascule/options/v1/options_pb.ts';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';

const TEXT = '.google.protobuf.StringValue';
const types = { inputType: TEXT, outputType: TEXT };
const safe = { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS };

function ruled(ruledBy: MessageInitShape<typeof MethodRulesSchema>) {
  const options = create(MethodOptionsSchema);
  setExtension(options, rules, create(MethodRulesSchema, ruledBy));
  return options;
}

const proto = create(FileDescriptorProtoSchema, {
  name: 'shop/v1/shop.proto',
  package: 'shop.v1',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'Shop',
      method: [
        { name: 'Find', ...types, options: safe },
        { name: 'Buy', ...types },
        { name: 'Ask', ...types, options: ruled({ timeout: { nanos: 100_000_000 } }) },
        {
          name: 'Bid',
          ...types,
          options: ruled({ rateLimits: [{ perSecond: 0.001, burst: 1, key: { case: 'keyHeader', value: 'x-user' } }] }),
        },
        { name: 'Watch', ...types, serverStreaming: true },
        { name: 'Chat', ...types, clientStreaming: true, serverStreaming: true },
      ],
    },
  ],
});

const file = fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64'), [
  file_google_protobuf_wrappers,
  file_bascule_options_v1_options,
]);

interface Says<Kind> {
  methodKind: Kind;
  input: typeof StringValueSchema;
  output: typeof StringValueSchema;
}

/** Texts of all kinds; "Ask" and "Bid" have method options. */
export const Shop: GenService<{
  find: Says<'unary'>;
  buy: Says<'unary'>;
  ask: Says<'unary'>;
  bid: Says<'unary'>;
  watch: Says<'server_streaming'>;
  chat: Says<'bidi_streaming'>;
}> = serviceDesc(file, 0);

/** Handlers that answer when they are let, say what they were asked, and do as they are told by it. */
export function createShop() {
  const asked: string[] = [];
  const contexts: HandlerContext[] = [];
  let gate = Promise.withResolvers<void>();
  const answer = async ({ value }: { value: string }, context: HandlerContext) => {
    asked.push(value);
    contexts.push(context);
    await shop.beforeAnswer?.();
    if (value === 'fail') throw new ConnectError('as asked', Code.Unavailable);
    if (value.startsWith('wait')) await Promise.race([gate.promise, whenAborted(context.signal)]);
    return { value: `${value}!` };
  };
  const shop = {
    asked,
    contexts,
    /** Waited for by each answer, whatever becomes of its call. */
    beforeAnswer: undefined as (() => Promise<void>) | undefined,
    /** Answers all that wait. */
    open(): void {
      gate.resolve();
      gate = Promise.withResolvers();
    },
    routes: (router: ConnectRouter): void => {
      router.service(Shop, {
        find: answer,
        buy: answer,
        ask: answer,
        bid: answer,
        async *watch(request, context) {
          yield await answer(request, context);
        },
        async *chat(requests, context) {
          for await (const request of requests) yield await answer(request, context);
        },
      });
    },
  };
  return shop;
}

function whenAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve());
  return promise;
}
