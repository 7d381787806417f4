import type { Reply, RequestHead } from '@bascule/core';
import type { KitParts, Method } from '../method.ts';

/** What a call begins with. */
export interface CallStart {
  readonly method: Method;
  readonly parts: KitParts;
  readonly head: RequestHead;
  readonly reply: Reply;
}
