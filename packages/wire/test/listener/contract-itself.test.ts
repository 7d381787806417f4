import { compose, type Service } from '@bascule/core';
import { describeServiceContract } from '@bascule/testing';

/** Takes what a layer must take away: what comes after a cancel. */
const silentAfterCancel =
  (next: Service): Service =>
  (head, reply) => {
    let isCanceled = false;
    const body = next(head, {
      head: (h) => void (isCanceled || reply.head(h)),
      write: (bytes) => void (isCanceled || reply.write(bytes)),
      end: (trailers) => void (isCanceled || reply.end(trailers)),
      fail: (error) => void (isCanceled || reply.fail(error)),
      grant: (bytes) => void (isCanceled || reply.grant(bytes)),
    });
    return {
      write: (bytes) => body.write(bytes),
      end: () => body.end(),
      cancel(reason) {
        isCanceled = true;
        body.cancel(reason);
      },
      grant: (bytes) => body.grant(bytes),
    };
  };

// The thinnest way there is, all within one stack: what fails here is the suite's own fault.
describeServiceContract('the callee itself', (callee) => ({ service: compose([silentAfterCancel], callee) }));
