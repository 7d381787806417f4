import type { Outcome, Reply, Service } from '@bascule/core';
import { createHead } from '@bascule/testing';
import { expect, it } from 'vitest';
import { createEdge, frame, onlyCall } from './support/callee.ts';

/** Notes what a layer outside of the dialect reads at the end of a call: the log and the metrics. */
function readAtEnd(service: Service, contentType: string) {
  const head = createHead({ fields: ['content-type', contentType] });
  const seen: (Outcome | undefined)[] = [];
  const reply: Reply = {
    head() {},
    write() {},
    end: () => void seen.push(head.call.outcome),
    fail: () => void seen.push(head.call.outcome),
    grant() {},
  };
  return { body: service(head, reply), seen };
}

const STREAMED = ['application/grpc', 'application/grpc-web', 'application/grpc-web-text', 'application/connect+proto'];

it.each(STREAMED)('has noted why it refused the messages of %s before the answer ends', (contentType) => {
  const { body, seen } = readAtEnd(createEdge().service, contentType);
  // "////" is base64 of bytes that no prefix begins with, and itself none.
  body.write(Buffer.from('////'));
  expect(seen).toEqual([expect.objectContaining({ by: 'wire', code: 13 })]);
});

it.each(STREAMED)('has noted that the answer to %s broke off before it ends', (contentType) => {
  const edge = createEdge();
  const { seen } = readAtEnd(edge.service, contentType);
  const { reply } = onlyCall(edge);
  reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
  reply.write(frame('whole message').subarray(0, 9));
  reply.end(['grpc-status', '0']);
  expect(seen).toEqual([expect.objectContaining({ by: 'wire', code: 13 })]);
});
