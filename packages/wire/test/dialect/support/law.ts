import { INITIAL_CREDIT_BYTES, type Service } from '@bascule/core';

/** What broke the law of a call, in words; empty at the end of a good test. */
export type Violations = string[];

/**
 * Watches both sides of a hop: credit, order, one end, nothing after it. Put around the layer for its outer hop and
 * around the service for its inner hop.
 */
export function watchLaw(name: string, service: Service, violations: Violations): Service {
  const broken = (what: string): void => void violations.push(`${name}: ${what}`);
  return (head, reply) => {
    let returned = false;
    let replyCredit = INITIAL_CREDIT_BYTES;
    let bodyCredit = INITIAL_CREDIT_BYTES;
    let headSeen = false;
    let over = false;
    let bodyEnded = false;
    const body = service(head, {
      head(responseHead) {
        if (!returned) broken('head before Body was returned');
        if (over) return broken('head after the end');
        if (headSeen) broken('two heads');
        headSeen = true;
        reply.head(responseHead);
      },
      write(bytes) {
        if (over) return broken('write after the end');
        if (!headSeen) broken('write before head');
        replyCredit -= bytes.length;
        if (replyCredit < 0) broken(`reply writes ${-replyCredit} bytes beyond credit`);
        reply.write(bytes);
      },
      end(trailers) {
        if (!returned) broken('end before Body was returned');
        if (over) return broken('end after the end');
        over = true;
        reply.end(trailers);
      },
      fail(error) {
        if (!returned) broken('fail before Body was returned');
        if (over) return broken('fail after the end');
        over = true;
        reply.fail(error);
      },
      grant(bytes) {
        if (over) return broken('request grant after the end');
        if (bytes <= 0) broken(`grant of ${bytes}`);
        bodyCredit += bytes;
        reply.grant(bytes);
      },
    });
    returned = true;
    return {
      write(bytes) {
        if (over) return;
        if (bodyEnded) broken('request write after end');
        bodyCredit -= bytes.length;
        if (bodyCredit < 0) broken(`request writes ${-bodyCredit} bytes beyond credit`);
        body.write(bytes);
      },
      end() {
        if (over) return;
        if (bodyEnded) broken('two request ends');
        bodyEnded = true;
        body.end();
      },
      cancel(reason) {
        if (over) return;
        over = true;
        body.cancel(reason);
      },
      grant(bytes) {
        if (bytes <= 0) broken(`reply grant of ${bytes}`);
        replyCredit += bytes;
        body.grant(bytes);
      },
    };
  };
}
