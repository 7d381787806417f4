import { MessageChannel } from 'node:worker_threads';

/** Keeps the process alive while it only waits; the clock's timers do not. Returns the function that lets go. */
export function holdProcess(): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.start();
  port1.ref();
  return () => {
    port1.close();
    port2.close();
  };
}
