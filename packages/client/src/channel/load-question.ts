import { create, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  Code,
  createCallContext,
  outcomeOfEnd,
  outcomeOfFail,
  type Body,
  type CallError,
  type Clock,
  type Fields,
  type MethodFacts,
  type Outcome,
  type Reply,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import { OpenRcaService, OrcaLoadReportRequestSchema } from '@bascule/schema/gen/peers/xds/open_rca_pb.ts';
import { encodeFrame } from '@bascule/wire';
import { MessageAssembler, type MessageSink } from '../message-assembler.ts';

/** A report has a few numbers and names. */
const MAX_REPORT_BYTES = 65_536;

const SERVICE = OpenRcaService.typeName;
const METHOD = OpenRcaService.method.streamCoreMetrics.name;
const FACTS: MethodFacts = { service: SERVICE, method: METHOD, kind: 'server_stream', idempotency: 'no_side_effects' };
const FIELDS: Fields = ['content-type', 'application/grpc+proto', 'te', 'trailers'];

export interface LoadQuestionOptions {
  readonly clock: Clock;
  /** The way to the endpoint. */
  readonly service: Service;
  /** How often a report is asked for. */
  readonly periodMs: number;
  /** A report came: an OrcaLoadReport. */
  onReport(bytes: Uint8Array): void;
  /** Runs at most once, and not after `leave`. */
  onEnd(outcome: Outcome): void;
}

/** One question after an endpoint's load, and its answer: reports, until it ends. */
export class LoadQuestion implements Reply, MessageSink {
  readonly #options: LoadQuestionOptions;
  readonly #assembler = new MessageAssembler(this, MAX_REPORT_BYTES);
  #head: ResponseHead | undefined = undefined;
  #body: Body | undefined = undefined;

  constructor(options: LoadQuestionOptions) {
    this.#options = options;
  }

  begin(): void {
    const { service, clock, periodMs } = this.#options;
    const call = createCallContext('load', clock.nowMs(), '');
    call.dialect = 'grpc';
    call.method = FACTS;
    const path = `/${SERVICE}/${METHOD}`;
    const body = service({ method: 'POST', path, authority: '', scheme: 'http', fields: FIELDS, call }, this);
    this.#body = body;
    const request = create(OrcaLoadReportRequestSchema, { reportInterval: durationFromMs(Math.ceil(periodMs)) });
    body.write(encodeFrame(0, toBinary(OrcaLoadReportRequestSchema, request)));
    // It may have failed on that.
    this.#body?.end();
  }

  leave(): void {
    const body = this.#body;
    this.#body = undefined;
    body?.cancel('caller-gone');
  }

  head(head: ResponseHead): void {
    this.#head = head;
  }

  write(bytes: Uint8Array): void {
    if (this.#body === undefined) return;
    this.#assembler.push(bytes);
    this.#body?.grant(bytes.length);
  }

  end(trailers: Fields): void {
    this.#end(outcomeOfEnd(this.#head, trailers));
  }

  fail(error: CallError): void {
    this.#end(outcomeOfFail(error));
  }

  grant(): void {}

  onMessage(flags: number, message: Uint8Array): boolean {
    // Nothing was said of compression, so there should be none.
    if (flags === 0) this.#options.onReport(message);
    return this.#body !== undefined;
  }

  onTooLarge(): void {
    const outcome: Outcome = { code: Code.resourceExhausted, by: 'wire', message: 'the report is too large' };
    const body = this.#body;
    this.#end(outcome);
    body?.cancel('protocol-error');
  }

  #end(outcome: Outcome): void {
    if (this.#body === undefined) return;
    this.#body = undefined;
    this.#options.onEnd(outcome);
  }
}
