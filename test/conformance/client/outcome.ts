import { create } from '@bufbuild/protobuf';
import { anyPack, type Any } from '@bufbuild/protobuf/wkt';
import { ConnectError, type CallOptions } from '@connectrpc/connect';
import type { ConformancePayload, Header, ClientResponseResult } from '../messages.ts';
import type { Stubs } from '../stubs.ts';

/** What comes of one call, gathered as its caller sees it. */
export class CallOutcome {
  readonly payloads: ConformancePayload[] = [];
  /** Requests not pulled yet. */
  unsent = 0;
  readonly #stubs: Stubs;
  #headers: Headers | undefined = undefined;
  #trailers: Headers | undefined = undefined;
  #error: ConnectError | undefined = undefined;

  constructor(stubs: Stubs) {
    this.#stubs = stubs;
  }

  /** Options by which a client tells headers and trailers. */
  observers(): CallOptions {
    return {
      onHeader: (headers) => {
        this.#headers = headers;
      },
      onTrailer: (trailers) => {
        this.#trailers = trailers;
      },
    };
  }

  addAnswer(answer: { payload?: ConformancePayload }): void {
    this.payloads.push(answer.payload ?? create(this.#stubs.message('ConformancePayload')));
  }

  fail(thrown: unknown): void {
    this.#error = ConnectError.from(thrown);
  }

  toResult(): ClientResponseResult {
    const error = this.#error;
    // An error's metadata is both, and does not say which was which.
    const headers = this.#headers ?? error?.metadata;
    const trailers = this.#trailers ?? error?.metadata;
    return create(this.#stubs.message('ClientResponseResult'), {
      responseHeaders: this.#toHeaders(headers),
      responseTrailers: this.#toHeaders(trailers),
      payloads: this.payloads,
      numUnsentRequests: error === undefined ? 0 : this.unsent,
      ...(error !== undefined && {
        error: create(this.#stubs.message('Error'), {
          code: error.code,
          message: error.rawMessage,
          details: error.details.map((detail) => toAny(detail)),
        }),
      }),
    });
  }

  #toHeaders(headers: Headers | undefined): Header[] {
    const schema = this.#stubs.message('Header');
    return [...(headers ?? [])].map(([name, value]) => create(schema, { name, value: value.split(/, ?/) }));
  }
}

type Detail = ConnectError['details'][number];

function toAny(detail: Detail): Any {
  if ('desc' in detail) return anyPack(detail.desc, create(detail.desc, detail.value));
  return { $typeName: 'google.protobuf.Any', typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value };
}
