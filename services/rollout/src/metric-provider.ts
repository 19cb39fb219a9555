// Where numbers come from that metric gates judge. Consumer: measure.ts. Providers: prometheus.ts.

/** A system that keeps metrics, asked in its own language. */
export interface MetricProvider {
  /**
   * What a query comes to at a moment: one number, which may be NaN or infinite; null when there is no data.
   *
   * @param atMs milliseconds since 1970
   * @throws FleetError with a sentence for people when there is no answer, or not one number
   */
  measure(query: string, atMs: number, signal: AbortSignal): Promise<number | null>;
}
