import type { MessageInitShape, DescFile } from '@bufbuild/protobuf';
import type {
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from '@bascule/schema/gen/grpc/reflection/v1/reflection_pb.ts';
import { Code } from '@connectrpc/connect';
import type { FileIndex } from './file-index.ts';

type Answer = MessageInitShape<typeof ServerReflectionResponseSchema>;
type MessageResponse = NonNullable<Answer['messageResponse']>;
/** The same in v1 and in v1alpha but for the name of its package. */
type Request = Pick<ServerReflectionRequest, 'host' | 'messageRequest'>;

/** Answers what clients ask of descriptors, one after the other. Source: grpc/doc/server-reflection.md. */
export async function* reflect(
  requests: AsyncIterable<Request>,
  files: FileIndex,
  services: readonly string[],
): AsyncGenerator<Answer> {
  // A stream is sent each file once: who asks for ten services of one file need not read it ten times.
  const sent = new Set<DescFile>();
  for await (const request of requests) {
    const { host, messageRequest } = request;
    const originalRequest = { host, messageRequest };
    yield { validHost: host, originalRequest, messageResponse: answer(messageRequest) };
  }

  function answer(asked: Request['messageRequest']): MessageResponse {
    switch (asked.case) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return answerFile(files.findByName(asked.value), `file ${asked.value}`);
      case 'fileContainingSymbol':
        return answerFile(files.findBySymbol(asked.value), `symbol ${asked.value}`);
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = asked.value;
        const file = files.findByExtension(containingType, extensionNumber);
        return answerFile(file, `extension ${extensionNumber} of ${containingType}`);
      }
      case 'allExtensionNumbersOfType': {
        const extensionNumber = files.extensionNumbers(asked.value);
        if (extensionNumber === undefined) return notFound(`type ${asked.value}`);
        return { case: 'allExtensionNumbersResponse', value: { baseTypeName: asked.value, extensionNumber } };
      }
      case undefined:
      default:
        return toError(Code.InvalidArgument, 'the request asks for nothing that is known here');
    }
  }

  function answerFile(file: DescFile | undefined, what: string): MessageResponse {
    if (file === undefined) return notFound(what);
    const fresh = [...files.withImports(file)].filter((found) => found === file || !sent.has(found));
    for (const found of fresh) sent.add(found);
    // What was asked for stands first.
    const fileDescriptorProto = fresh.toReversed().map((found) => files.encode(found));
    return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
  }
}

function notFound(what: string): MessageResponse {
  return toError(Code.NotFound, `${what} is not known`);
}

function toError(errorCode: Code, errorMessage: string): MessageResponse {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}
