import { callError, Code, codeFromHttpStatus, type CallError, type Fields, type ResponseHead } from '@bascule/core';

/** How a dialect whose messages are those of the inner one says the rest of an answer. Stateless: one serves all calls. */
export interface AnswerFormat {
  /** What content types of the dialect begin with; a codec follows. */
  readonly contentType: string;
  /** Codec that a bare {@link contentType} stands for, or undefined where none may be left out. */
  readonly bareCodec: 'proto' | undefined;
  /** Field of the head that says the messages' encoding. */
  readonly encodingField: string;
  /** Flag of the frame that ends an answer; 0 where HTTP trailers do. */
  readonly endFlag: number;
  /** Whether an answer without a body may say its status in its head. */
  readonly trailersOnly: boolean;
  /** Fields of the inner head. */
  toInnerFields(fields: Fields, innerType: string): Fields;
  /** Inner trailers from the payload of the last frame; undefined when it is malformed. */
  readEnd(bytes: Uint8Array): string[] | undefined;
}

/** Codec of a content type in the inner dialect. */
export function codecOf(innerType: string): 'proto' | 'json' {
  return innerType.endsWith('+json') ? 'json' : 'proto';
}

/** Why an answer of this HTTP status is none of the dialect's. */
export function faultOfStatus(head: ResponseHead): CallError | undefined {
  if (head.status === 200) return undefined;
  return callError(codeFromHttpStatus(head.status), `the service answered with HTTP status ${head.status}`);
}

/** The media type of a content type, without parameters. */
export function mediaTypeOf(contentType: string): string {
  const semicolon = contentType.indexOf(';');
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

/** Why a content type is not the one that was asked for. Another codec is a broken answer, any other type no answer at all. */
export function faultOfContentType(
  contentType: string | undefined,
  format: Pick<AnswerFormat, 'contentType' | 'bareCodec'>,
  codec: 'proto' | 'json',
): CallError | undefined {
  const type = contentType === undefined ? '' : mediaTypeOf(contentType);
  const said = type.startsWith(format.contentType) ? type.slice(format.contentType.length) : undefined;
  if (said === '' ? format.bareCodec === codec : said === `+${codec}`) return undefined;
  if (said?.startsWith('+') || (said === '' && format.bareCodec !== undefined)) {
    return callError(Code.internal, `the service answered in ${type} though ${codec} was asked for`);
  }
  return callError(Code.unknown, `the service answered in a content type that is not ${format.contentType}`);
}
