import { Agent as HttpAgent, request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Clock } from '@bascule/core';
import { ConnectError } from '@connectrpc/connect';
import { callWithin } from '../../waiting.ts';
import type { Cluster, Identity } from './cluster.ts';
import { refusalOf, type Wanted } from './refusal.ts';

/** Requests to an API server, over connections that are kept between them. */
export interface ApiClient {
  /** Hands on the text of an answer as it arrives, to its end. Throws ApiRefusal, HistoryLost, or with words. */
  ask(question: Question): Promise<void>;
  close(): void;
}

export interface Question {
  /** With its query. */
  readonly path: string;
  readonly wanted: Wanted;
  /** From the head of the answer to its end. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  onHead?(): void;
  /** May throw, which ends the request. */
  onText(text: string): void;
}

const HEAD_LIMIT_MS = 10_000;
/** A plugin of a kubeconfig may ask others who we are. */
const IDENTIFY_LIMIT_MS = 30_000;
const MAX_REFUSAL_LENGTH = 65_536;
const OWN_HEADERS = { accept: 'application/json', 'user-agent': 'bascule' };

export function createApiClient(cluster: Cluster, clock: Clock): ApiClient {
  const isTls = cluster.baseUrl.startsWith('https:');
  const agent = isTls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });

  async function identify(signal: AbortSignal): Promise<Identity> {
    const call = { clock, timeoutMs: IDENTIFY_LIMIT_MS, signal };
    try {
      return await callWithin(call, (ended) => Promise.race([cluster.identify(), throwAt(ended)]));
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      throw new Error(`what logs in for the kubeconfig has no answer within ${IDENTIFY_LIMIT_MS} ms`, { cause: error });
    }
  }

  function send({ path }: Question, { headers, tls, agent: proxy }: Identity): ClientRequest {
    const request = isTls ? requestHttps : requestHttp;
    const options = { headers: { ...headers, ...OWN_HEADERS }, agent: proxy ?? agent, ...tls };
    return request(`${cluster.baseUrl}${path}`, options).end();
  }

  async function ask(question: Question): Promise<void> {
    const { limitMs, signal, wanted } = question;
    const asking = send(question, await identify(signal));
    const { promise: over, resolve, reject } = Promise.withResolvers<void>();
    const end = (): void => reject(new Error('it is not asked any more'));
    const limit = (ms: number): { cancel(): void } =>
      clock.after(ms, () => reject(new Error(`the API server at ${cluster.baseUrl} has been silent for ${ms} ms`)));
    let silence = limit(HEAD_LIMIT_MS);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    asking.on('error', (error) =>
      reject(new Error(`cannot ask ${cluster.baseUrl}: ${inWords(error)}`, { cause: error })),
    );
    asking.on('response', (answer) => {
      silence.cancel();
      silence = limit(limitMs);
      receive(answer, question, wanted).then(resolve, reject);
    });
    try {
      await over;
    } finally {
      silence.cancel();
      signal.removeEventListener('abort', end);
      // Of an answer that was read to its end, the connection is free for the next question already.
      asking.destroy();
    }
  }

  return { ask, close: () => agent.destroy() };
}

function receive(answer: IncomingMessage, question: Question, wanted: Wanted): Promise<void> {
  return new Promise((resolve, reject) => {
    const status = answer.statusCode ?? 0;
    const isFine = status === 200;
    let refusal = '';
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => {
      try {
        if (isFine) question.onText(text);
        else if (refusal.length < MAX_REFUSAL_LENGTH) refusal += text;
      } catch (error) {
        reject(error);
      }
    });
    answer.on('end', () => {
      if (isFine) resolve();
      else reject(refusalOf(status, refusal, answer.headers['retry-after'], wanted));
    });
    answer.on('error', (error) => reject(new Error(`the API server's answer broke off: ${error.message}`)));
    answer.on('close', () => reject(new Error("the API server's answer broke off")));
    if (isFine) question.onHead?.();
  });
}

function throwAt(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

/** OpenSSL's words tell nobody what to do. */
function inWords(error: Error): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  const isUntrusted = /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_UNTRUSTED/.test(code);
  return isUntrusted ? `${error.message}: give the authority of the cluster (tls.ca)` : error.message;
}
