import type { Duration } from '@bufbuild/protobuf/wkt';

/** Milliseconds of a field that may be left out. */
export function toMs(duration: Duration | undefined, defaultMs: number): number {
  return duration === undefined ? defaultMs : Number(duration.seconds) * 1000 + duration.nanos / 1_000_000;
}
