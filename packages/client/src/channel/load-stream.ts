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
  type Timer,
} from '@bascule/core';
import { OpenRcaService, OrcaLoadReportRequestSchema } from '@bascule/schema/gen/peers/xds/open_rca_pb.ts';
import { encodeFrame } from '@bascule/wire';
import { MessageAssembler, type MessageSink } from '../message-assembler.ts';

export interface LoadStreamOptions {
  readonly clock: Clock;
  /** The way to the endpoint. */
  readonly service: Service;
  /** A report came: an OrcaLoadReport. */
  onReport(bytes: Uint8Array): void;
}

/**
 * - `asking`: a stream is open.
 * - `pausing`: it has ended; another comes after a time.
 * - `refused`: the endpoint has no such service, and is not asked again.
 */
type State =
  | { readonly name: 'off' | 'refused' }
  | { readonly name: 'asking'; readonly reports: Reports }
  | { readonly name: 'pausing'; readonly timer: Timer };

/** As gRPC's connections wait. Source: grpc/doc/connection-backoff.md, which grpc-go's reports go by too. */
const BASE_DELAY_MS = 1_000;
const DELAY_FACTOR = 1.6;
const DELAY_JITTER = 0.2;
const MAX_DELAY_MS = 120_000;

/** Asks one endpoint for its load, again and again. Source: gRFC A51, out of band. */
export class LoadStream {
  readonly #options: LoadStreamOptions;
  #periodMs = 0;
  #state: State = { name: 'off' };
  #failures = 0;

  constructor(options: LoadStreamOptions) {
    this.#options = options;
  }

  /** Asks for a report each so many ms from now on. */
  start(periodMs: number): void {
    if (periodMs === this.#periodMs) return;
    this.#periodMs = periodMs;
    if (this.#state.name !== 'refused') this.#ask();
  }

  stop(): void {
    this.#become({ name: 'off' });
  }

  #ask(): void {
    const { service, clock } = this.#options;
    const reports = new Reports({
      onReport: (bytes) => {
        this.#failures = 0;
        this.#options.onReport(bytes);
      },
      onEnd: (outcome) => this.#ended(outcome),
    });
    this.#become({ name: 'asking', reports });
    reports.begin(service, clock, this.#periodMs);
  }

  #ended({ code }: Outcome): void {
    if (code === Code.unimplemented) return this.#become({ name: 'refused' });
    const { clock } = this.#options;
    const delayMs = Math.min(MAX_DELAY_MS, BASE_DELAY_MS * DELAY_FACTOR ** this.#failures++);
    const jitter = 1 + DELAY_JITTER * (2 * clock.random() - 1);
    this.#become({ name: 'pausing', timer: clock.after(delayMs * jitter, () => this.#ask()) });
  }

  #become(state: State): void {
    if (this.#state.name === 'pausing') this.#state.timer.cancel();
    if (this.#state.name === 'asking') this.#state.reports.leave();
    this.#state = state;
  }
}

/** A report has a few numbers and names. */
const MAX_REPORT_BYTES = 65_536;

const SERVICE = OpenRcaService.typeName;
const METHOD = OpenRcaService.method.streamCoreMetrics.name;
const FACTS: MethodFacts = { service: SERVICE, method: METHOD, kind: 'server_stream', idempotency: 'no_side_effects' };
const FIELDS: Fields = ['content-type', 'application/grpc+proto', 'te', 'trailers'];

interface ReportsOptions {
  onReport(bytes: Uint8Array): void;
  /** Runs at most once, and not after `leave`. */
  onEnd(outcome: Outcome): void;
}

/** The answer to one question. */
class Reports implements Reply, MessageSink {
  readonly #options: ReportsOptions;
  readonly #assembler = new MessageAssembler(this, MAX_REPORT_BYTES);
  #head: ResponseHead | undefined = undefined;
  #body: Body | undefined = undefined;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  begin(service: Service, clock: Clock, periodMs: number): void {
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
