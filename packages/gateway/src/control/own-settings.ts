/** What is said of one service by its name; not by "*". A service may be called "constructor". */
export function ownSettings<T>(services: Readonly<Record<string, T>>, service: string): T | undefined {
  return Object.hasOwn(services, service) ? services[service] : undefined;
}
