import { createCallContext, type RequestHead, type Service } from '@bascule/core';

export interface Asked {
  status: number;
  fields: string[];
  text: string;
  /** Most bytes that were ever written beyond what was granted; above 0 is a breach of the law of a call. */
  overdrawnBytes: number;
}

export interface Ask {
  method?: string;
  path?: string;
  /** Default "127.0.0.1:9090". */
  authority?: string;
  fields?: string[];
  body?: string;
  /** Bytes granted after each write. Default: as many as were written. */
  grantBytes?: number;
}

let calls = 0;

/** Makes one HTTP-shaped call to a Service in process and collects the answer. */
export function ask(service: Service, what: Ask): Promise<Asked> {
  const { promise, resolve, reject } = Promise.withResolvers<Asked>();
  const asked: Asked = { status: 0, fields: [], text: '', overdrawnBytes: 0 };
  let credit = 65_535;
  const head: RequestHead = {
    method: what.method ?? 'GET',
    path: what.path ?? '/',
    authority: what.authority ?? '127.0.0.1:9090',
    scheme: 'http',
    fields: what.fields ?? [],
    call: createCallContext(`ask-${++calls}`, 0, '127.0.0.1'),
  };
  const body = service(head, {
    head({ status, fields }) {
      asked.status = status;
      asked.fields = [...fields];
    },
    write(bytes) {
      asked.text += new TextDecoder().decode(bytes);
      credit -= bytes.length;
      asked.overdrawnBytes = Math.max(asked.overdrawnBytes, -credit);
      const granted = what.grantBytes ?? bytes.length;
      // Also from inside `write`, which the law allows.
      credit += granted;
      body.grant(granted);
    },
    end: () => resolve(asked),
    fail: (error) => reject(new Error(error.message)),
    grant() {},
  });
  if (what.body !== undefined) body.write(new TextEncoder().encode(what.body));
  body.end();
  return promise;
}
