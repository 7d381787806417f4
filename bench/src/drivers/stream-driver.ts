import { toCallId } from './probe.ts';
import { StreamCall, type StreamFault } from './stream-call.ts';
import type { StreamKindName } from './stream-kinds.ts';

export interface StreamDriverOptions {
  readonly host: string;
  readonly port: number;
  readonly driver: number;
  /** Between the messages of one stream. */
  readonly intervalMs: number;
}

/** Where streams are. Plain data. */
export interface StreamReport {
  readonly opened: number;
  readonly open: number;
  readonly messages: number;
  readonly faults: Readonly<Record<StreamFault, number>>;
  /** The first different reasons. */
  readonly reasons: readonly string[];
  /** Open streams by the version that serves them. */
  readonly versions: Readonly<Record<string, number>>;
}

export interface StreamDriver {
  /** Opens streams, one kind after the other in turn. They end after `lifetimeMs`; undefined stays. */
  open(count: number, lifetimeMs: number | undefined): void;
  report(): StreamReport;
  /** Ends all as their caller, and tells how they went. */
  end(): Promise<StreamReport>;
}

const PROGRESS_MS = 500;
const MAX_REASONS = 5;

/** Opens streams to the ranking module and watches over each of their messages. */
export function createStreamDriver({ host, port, driver, intervalMs }: StreamDriverOptions): StreamDriver {
  const streams = new Set<StreamCall>();
  const faults: Record<StreamFault, number> = {
    failed: 0,
    cut: 0,
    gapped: 0,
    'wrong call id': 0,
    moved: 0,
    stalled: 0,
  };
  const reasons = new Set<string>();
  let opened = 0;
  let endedMessages = 0;
  const progress = setInterval(() => streams.forEach((stream) => stream.checkProgress()), PROGRESS_MS);

  function open(kind: StreamKindName, lifetimeMs: number | undefined): void {
    const stream = new StreamCall({
      host,
      port,
      kind,
      intervalMs,
      callId: toCallId(driver, ++opened),
      onFault(fault, why) {
        faults[fault]++;
        if (reasons.size < MAX_REASONS) reasons.add(`${kind} ${fault}: ${why}`);
      },
    });
    streams.add(stream);
    if (lifetimeMs !== undefined) setTimeout(() => void end(stream), lifetimeMs);
  }

  async function end(stream: StreamCall): Promise<void> {
    await stream.end();
    if (!streams.delete(stream)) return;
    endedMessages += stream.messages;
  }

  function report(): StreamReport {
    const current = [...streams].filter((stream) => stream.isOpen());
    const versions: Record<string, number> = {};
    for (const { version } of current) versions[version] = (versions[version] ?? 0) + 1;
    const messages = [...streams].reduce((sum, stream) => sum + stream.messages, endedMessages);
    return { opened, open: current.length, messages, faults: { ...faults }, reasons: [...reasons], versions };
  }

  return {
    open(count, lifetimeMs) {
      for (let i = 0; i < count; i++) open((opened + 1) % 2 === 0 ? 'tally' : 'watch', lifetimeMs);
    },
    report,
    async end() {
      clearInterval(progress);
      await Promise.all([...streams].map(end));
      return report();
    },
  };
}
