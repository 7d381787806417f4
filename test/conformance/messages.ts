import type { Message } from '@bufbuild/protobuf';
import type { GenMessage, GenService } from '@bufbuild/protobuf/codegenv2';
import type { Any, Empty } from '@bufbuild/protobuf/wkt';
import type { Code } from '@connectrpc/connect';

/** Types of the messages that the programs here read and write. The descriptors come at run time: see `stubs.ts`. */
type Named<N extends string> = Message<`connectrpc.conformance.v1.${N}`>;

/** Numbers of the enumerations, as the protos have them. */
export const HttpVersion = { one: 1, two: 2 } as const;
export const Protocol = { connect: 1, grpc: 2, grpcWeb: 3 } as const;
export const Codec = { proto: 1, json: 2 } as const;
export const Compression = { identity: 1, gzip: 2, br: 3, zstd: 4, deflate: 5, snappy: 6 } as const;
export const StreamType = { unary: 1, client: 2, server: 3, halfDuplex: 4, fullDuplex: 5 } as const;

export type Header = Named<'Header'> & { name: string; value: string[] };
export type RpcError = Named<'Error'> & { code: Code; message?: string; details: Any[] };
export type TlsCreds = Named<'TLSCreds'> & { cert: Uint8Array; key: Uint8Array };

export type UnaryResponseDefinition = Named<'UnaryResponseDefinition'> & {
  responseHeaders: Header[];
  response:
    | { case: 'responseData'; value: Uint8Array }
    | { case: 'error'; value: RpcError }
    | { case: undefined; value?: undefined };
  responseTrailers: Header[];
  responseDelayMs: number;
};

export type StreamResponseDefinition = Named<'StreamResponseDefinition'> & {
  responseHeaders: Header[];
  responseData: Uint8Array[];
  responseDelayMs: number;
  error?: RpcError;
  responseTrailers: Header[];
};

export type RequestInfo = Named<'ConformancePayload.RequestInfo'> & {
  requestHeaders: Header[];
  timeoutMs?: bigint;
  requests: Any[];
  connectGetInfo?: Named<'ConformancePayload.ConnectGetInfo'> & { queryParams: Header[] };
};

export type ConformancePayload = Named<'ConformancePayload'> & { data: Uint8Array; requestInfo?: RequestInfo };

interface UnaryFields {
  responseDefinition?: UnaryResponseDefinition;
  requestData: Uint8Array;
}
interface StreamFields {
  responseDefinition?: StreamResponseDefinition;
  requestData: Uint8Array;
}
interface PayloadField {
  payload?: ConformancePayload;
}

export type UnaryRequest = Named<'UnaryRequest'> & UnaryFields;
export type UnaryResponse = Named<'UnaryResponse'> & PayloadField;
export type IdempotentUnaryRequest = Named<'IdempotentUnaryRequest'> & UnaryFields;
export type IdempotentUnaryResponse = Named<'IdempotentUnaryResponse'> & PayloadField;
export type ServerStreamRequest = Named<'ServerStreamRequest'> & StreamFields;
export type ServerStreamResponse = Named<'ServerStreamResponse'> & PayloadField;
export type ClientStreamRequest = Named<'ClientStreamRequest'> & UnaryFields;
export type ClientStreamResponse = Named<'ClientStreamResponse'> & PayloadField;
export type BidiStreamRequest = Named<'BidiStreamRequest'> & StreamFields & { fullDuplex: boolean };
export type BidiStreamResponse = Named<'BidiStreamResponse'> & PayloadField;
export type UnimplementedRequest = Named<'UnimplementedRequest'>;
export type UnimplementedResponse = Named<'UnimplementedResponse'>;

export type ServerCompatRequest = Named<'ServerCompatRequest'> & {
  protocol: number;
  httpVersion: number;
  useTls: boolean;
  /** Empty where callers need no certificate. */
  clientTlsCert: Uint8Array;
  /** 0 is no limit. */
  messageReceiveLimit: number;
  serverCreds?: TlsCreds;
};

export type ServerCompatResponse = Named<'ServerCompatResponse'> & {
  host: string;
  port: number;
  pemCert: Uint8Array;
};

export type ClientCompatRequest = Named<'ClientCompatRequest'> & {
  testName: string;
  httpVersion: number;
  protocol: number;
  codec: number;
  compression: number;
  host: string;
  port: number;
  serverTlsCert: Uint8Array;
  clientTlsCreds?: TlsCreds;
  messageReceiveLimit: number;
  service?: string;
  method?: string;
  streamType: number;
  useGetHttpMethod: boolean;
  requestHeaders: Header[];
  requestMessages: Any[];
  timeoutMs?: number;
  requestDelayMs: number;
  cancel?: Named<'ClientCompatRequest.Cancel'> & {
    cancelTiming:
      | { case: 'beforeCloseSend'; value: Empty }
      | { case: 'afterCloseSendMs'; value: number }
      | { case: 'afterNumResponses'; value: number }
      | { case: undefined; value?: undefined };
  };
};

export type ClientErrorResult = Named<'ClientErrorResult'> & { message: string };

export type ClientResponseResult = Named<'ClientResponseResult'> & {
  responseHeaders: Header[];
  payloads: ConformancePayload[];
  error?: RpcError;
  responseTrailers: Header[];
  numUnsentRequests: number;
  httpStatusCode?: number;
  feedback: string[];
};

export type ClientCompatResponse = Named<'ClientCompatResponse'> & {
  testName: string;
  result:
    | { case: 'response'; value: ClientResponseResult }
    | { case: 'error'; value: ClientErrorResult }
    | { case: undefined; value?: undefined };
};

/** By their names in the protos. */
export interface Messages {
  Header: Header;
  Error: RpcError;
  RequestInfo: RequestInfo;
  ConformancePayload: ConformancePayload;
  UnaryRequest: UnaryRequest;
  UnaryResponse: UnaryResponse;
  IdempotentUnaryRequest: IdempotentUnaryRequest;
  IdempotentUnaryResponse: IdempotentUnaryResponse;
  ServerStreamRequest: ServerStreamRequest;
  ServerStreamResponse: ServerStreamResponse;
  ClientStreamRequest: ClientStreamRequest;
  ClientStreamResponse: ClientStreamResponse;
  BidiStreamRequest: BidiStreamRequest;
  BidiStreamResponse: BidiStreamResponse;
  UnimplementedRequest: UnimplementedRequest;
  ServerCompatRequest: ServerCompatRequest;
  ServerCompatResponse: ServerCompatResponse;
  ClientCompatRequest: ClientCompatRequest;
  ClientCompatResponse: ClientCompatResponse;
  ClientErrorResult: ClientErrorResult;
  ClientResponseResult: ClientResponseResult;
}

interface Method<K extends 'unary' | 'client_streaming' | 'server_streaming' | 'bidi_streaming', I, O> {
  methodKind: K;
  input: I;
  output: O;
}

export type ConformanceService = GenService<{
  unary: Method<'unary', GenMessage<UnaryRequest>, GenMessage<UnaryResponse>>;
  serverStream: Method<'server_streaming', GenMessage<ServerStreamRequest>, GenMessage<ServerStreamResponse>>;
  clientStream: Method<'client_streaming', GenMessage<ClientStreamRequest>, GenMessage<ClientStreamResponse>>;
  bidiStream: Method<'bidi_streaming', GenMessage<BidiStreamRequest>, GenMessage<BidiStreamResponse>>;
  unimplemented: Method<'unary', GenMessage<UnimplementedRequest>, GenMessage<UnimplementedResponse>>;
  idempotentUnary: Method<'unary', GenMessage<IdempotentUnaryRequest>, GenMessage<IdempotentUnaryResponse>>;
}>;
