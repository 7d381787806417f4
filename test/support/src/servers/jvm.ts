/** Up soon and small: a server of a test lives for seconds, beside others. It leaves no file of its counters in the temporary folder. */
export const JVM_FOR_TESTS = [
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:-UsePerfData',
  '-Xshare:auto',
] as const;
