import { MessageChannel, type MessagePort } from 'node:worker_threads';

/**
 * Keeps the process alive while calls run, and only then. Idle connections and the clock's timers do not, so a program
 * that has made its calls ends by itself; yet one that waits for a server to come back must not end in the middle.
 */
export class ProcessHold {
  #port: MessagePort | undefined = undefined;

  take(): void {
    if (this.#port === undefined) {
      const { port1 } = new MessageChannel();
      port1.start();
      this.#port = port1;
    }
    this.#port.ref();
  }

  letGo(): void {
    this.#port?.unref();
  }

  /** For good. */
  end(): void {
    this.#port?.close();
    this.#port = undefined;
  }
}
