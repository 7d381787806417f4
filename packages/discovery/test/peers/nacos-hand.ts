/** Writes to Nacos past our registrar, as its own clients do. */
export interface NacosHand {
  register(instance: {
    serviceName: string;
    ip: string;
    port: number;
    metadata?: object;
    weight?: number;
    clusterName?: string;
  }): Promise<void>;
}

/** `url` ends in `/nacos`. */
export function createNacosHand(url: string): NacosHand {
  return {
    async register({ metadata = {}, ...instance }) {
      const body = new URLSearchParams({ metadata: JSON.stringify(metadata) });
      for (const [key, value] of Object.entries(instance)) body.set(key, String(value));
      const answer = await fetch(`${url}/v3/client/ns/instance`, { method: 'POST', body });
      if (!answer.ok) throw new Error(`Nacos refused ${body.toString()}: ${answer.status} ${await answer.text()}`);
    },
  };
}
